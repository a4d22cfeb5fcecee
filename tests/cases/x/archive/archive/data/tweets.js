window.YTD.tweets.part0 = [
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1796836584453046279"
          ],
          "editableUntil": "2024-06-01T09:30:00+00:00",
          "editsRemaining": "5",
          "isEditEligible": true
        }
      },
      "retweeted": false,
      "source": "<a href=\"https://quay.example\">Quay</a>",
      "entities": {
        "hashtags": [
          {
            "text": "Quay",
            "indices": [
              "27",
              "32"
            ]
          }
        ],
        "symbols": [],
        "user_mentions": [],
        "urls": [],
        "media": [
          {
            "expanded_url": "https://twitter.com/ada_quay/status/1796836584453046279/photo/1",
            "indices": [
              "33",
              "48"
            ],
            "url": "https://t.co/ph",
            "media_url": "http://pbs.twimg.com/media/tide.jpg",
            "id_str": "9",
            "id": "9",
            "media_url_https": "https://pbs.twimg.com/media/tide.jpg",
            "sizes": {
              "large": {
                "w": "1024",
                "h": "768",
                "resize": "fit"
              }
            },
            "type": "photo",
            "display_url": "pic.twitter.com/ph"
          }
        ]
      },
      "display_text_range": [
        "0",
        "48"
      ],
      "favorite_count": "0",
      "id_str": "1796836584453046279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1796836584453046279",
      "created_at": "Sat Jun 01 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "🧵 The tides &amp; the log: #Quay https://t.co/ph",
      "lang": "en",
      "extended_entities": {
        "media": [
          {
            "expanded_url": "https://twitter.com/ada_quay/status/1796836584453046279/photo/1",
            "indices": [
              "33",
              "48"
            ],
            "url": "https://t.co/ph",
            "media_url": "http://pbs.twimg.com/media/tide.jpg",
            "id_str": "9",
            "id": "9",
            "media_url_https": "https://pbs.twimg.com/media/tide.jpg",
            "sizes": {
              "large": {
                "w": "1024",
                "h": "768",
                "resize": "fit"
              }
            },
            "type": "photo",
            "display_url": "pic.twitter.com/ph"
          }
        ]
      }
    }
  },
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1797198972318646279"
          ],
          "editableUntil": "2024-06-02T09:30:00+00:00",
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
        "urls": [
          {
            "url": "https://t.co/oldLink",
            "expanded_url": "https://quay.example/tale",
            "display_url": "quay.example/tale",
            "indices": [
              "44",
              "64"
            ]
          }
        ]
      },
      "display_text_range": [
        "0",
        "277"
      ],
      "favorite_count": "0",
      "id_str": "1797198972318646279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1797198972318646279",
      "created_at": "Sun Jun 02 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "2/ A long tale of the log, which has a link https://t.co/oldLink and goes on for so many words that nobody could have put them into one short post, not even the harbour master, who is known for his small hand and who once wrote the whole of March on the back of a ticket, rain…",
      "lang": "en",
      "in_reply_to_status_id": "1796836584453046279",
      "in_reply_to_status_id_str": "1796836584453046279",
      "in_reply_to_user_id": "101",
      "in_reply_to_user_id_str": "101",
      "in_reply_to_screen_name": "ada_quay"
    }
  },
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1797561360184246279"
          ],
          "editableUntil": "2024-06-03T09:30:00+00:00",
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
        "14"
      ],
      "favorite_count": "0",
      "id_str": "1797561360184246279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1797561360184246279",
      "created_at": "Mon Jun 03 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "3/ A short one",
      "lang": "en",
      "in_reply_to_status_id": "1797198972318646279",
      "in_reply_to_status_id_str": "1797198972318646279",
      "in_reply_to_user_id": "101",
      "in_reply_to_user_id_str": "101",
      "in_reply_to_screen_name": "ada_quay"
    }
  },
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1798648523781046279"
          ],
          "editableUntil": "2024-06-06T09:30:00+00:00",
          "editsRemaining": "5",
          "isEditEligible": true
        }
      },
      "retweeted": false,
      "source": "<a href=\"https://quay.example\">Quay</a>",
      "entities": {
        "hashtags": [],
        "symbols": [],
        "urls": [],
        "user_mentions": [
          {
            "name": "Тарас",
            "screen_name": "taras_ferry",
            "indices": [
              "3",
              "15"
            ],
            "id_str": "202",
            "id": "202"
          }
        ]
      },
      "display_text_range": [
        "0",
        "34"
      ],
      "favorite_count": "0",
      "id_str": "1798648523781046279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1798648523781046279",
      "created_at": "Thu Jun 06 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "RT @taras_ferry: Boats &amp; bread",
      "lang": "en"
    }
  }
]