window.YTD.deleted_tweets.part0 = [
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1799735687377846279"
          ],
          "editableUntil": "2024-06-09T09:30:00+00:00",
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
        "25"
      ],
      "favorite_count": "0",
      "id_str": "1799735687377846279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1799735687377846279",
      "created_at": "Sun Jun 09 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "MARKER-NEVER-READ-deleted",
      "lang": "en",
      "deleted_at": "Sun Jun 09 09:30:00 +0000 2024"
    }
  }
]