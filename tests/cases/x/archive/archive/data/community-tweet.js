window.YTD.community_tweet.part0 = [
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1799373299512246279"
          ],
          "editableUntil": "2024-06-08T09:30:00+00:00",
          "editsRemaining": "5",
          "isEditEligible": true
        }
      },
      "retweeted": false,
      "source": "<a href=\"https://quay.example\">Quay</a>",
      "entities": {
        "hashtags": [],
        "symbols": [],
        "user_mentions": [],
        "urls": []
      },
      "display_text_range": [
        "0",
        "23"
      ],
      "favorite_count": "0",
      "id_str": "1799373299512246279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1799373299512246279",
      "created_at": "Sat Jun 08 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "To all who love ferries",
      "lang": "en",
      "community_id": "1488",
      "scopes": {
        "followers": false
      }
    }
  }
]