window.YTD.tweets.part1 = [
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1797923748049846279"
          ],
          "editableUntil": "2024-06-04T09:30:00+00:00",
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
            "url": "https://t.co/qTaras",
            "expanded_url": "https://twitter.com/taras_ferry/status/1895777279800246272",
            "display_url": "twitter.com/taras_ferry/st…",
            "indices": [
              "17",
              "36"
            ]
          }
        ]
      },
      "display_text_range": [
        "0",
        "36"
      ],
      "favorite_count": "0",
      "id_str": "1797923748049846279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1797923748049846279",
      "created_at": "Tue Jun 04 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "4/ As Taras said https://t.co/qTaras",
      "lang": "en",
      "in_reply_to_status_id": "1797561360184246279",
      "in_reply_to_status_id_str": "1797561360184246279",
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
            "1798286135915446279"
          ],
          "editableUntil": "2024-06-05T09:30:00+00:00",
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
        "urls": [],
        "media": [
          {
            "expanded_url": "https://twitter.com/ada_quay/status/1798286135915446279/video/1",
            "indices": [
              "21",
              "36"
            ],
            "url": "https://t.co/vv",
            "media_url_https": "https://pbs.twimg.com/ext_tw_video_thumb/1/pu/img/x.jpg",
            "sizes": {
              "large": {
                "w": "1280",
                "h": "720",
                "resize": "fit"
              }
            },
            "type": "photo",
            "display_url": "pic.twitter.com/vv",
            "video_info": {
              "aspect_ratio": [
                "16",
                "9"
              ],
              "duration_millis": "4000",
              "variants": [
                {
                  "bitrate": "256000",
                  "content_type": "video/mp4",
                  "url": "https://video.twimg.com/v/1/small.mp4?tag=12"
                },
                {
                  "bitrate": "2176000",
                  "content_type": "video/mp4",
                  "url": "https://video.twimg.com/v/1/large.mp4?tag=12"
                },
                {
                  "content_type": "application/x-mpegURL",
                  "url": "https://video.twimg.com/v/1/pl.m3u8"
                }
              ]
            }
          }
        ]
      },
      "display_text_range": [
        "0",
        "36"
      ],
      "favorite_count": "0",
      "id_str": "1798286135915446279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1798286135915446279",
      "created_at": "Wed Jun 05 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "5/ The boat comes in https://t.co/vv",
      "lang": "en",
      "in_reply_to_status_id": "1797923748049846279",
      "in_reply_to_status_id_str": "1797923748049846279",
      "in_reply_to_user_id": "101",
      "in_reply_to_user_id_str": "101",
      "in_reply_to_screen_name": "ada_quay",
      "extended_entities": {
        "media": [
          {
            "expanded_url": "https://twitter.com/ada_quay/status/1798286135915446279/video/1",
            "indices": [
              "21",
              "36"
            ],
            "url": "https://t.co/vv",
            "media_url_https": "https://pbs.twimg.com/ext_tw_video_thumb/1/pu/img/x.jpg",
            "sizes": {
              "large": {
                "w": "1280",
                "h": "720",
                "resize": "fit"
              }
            },
            "type": "video",
            "display_url": "pic.twitter.com/vv",
            "video_info": {
              "aspect_ratio": [
                "16",
                "9"
              ],
              "duration_millis": "4000",
              "variants": [
                {
                  "bitrate": "256000",
                  "content_type": "video/mp4",
                  "url": "https://video.twimg.com/v/1/small.mp4?tag=12"
                },
                {
                  "bitrate": "2176000",
                  "content_type": "video/mp4",
                  "url": "https://video.twimg.com/v/1/large.mp4?tag=12"
                },
                {
                  "content_type": "application/x-mpegURL",
                  "url": "https://video.twimg.com/v/1/pl.m3u8"
                }
              ]
            }
          }
        ]
      },
      "possibly_sensitive": true
    }
  },
  {
    "tweet": {
      "edit_info": {
        "initial": {
          "editTweetIds": [
            "1799010911646646279"
          ],
          "editableUntil": "2024-06-07T09:30:00+00:00",
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
        "21"
      ],
      "favorite_count": "0",
      "id_str": "1799010911646646279",
      "truncated": false,
      "retweet_count": "0",
      "id": "1799010911646646279",
      "created_at": "Fri Jun 07 09:30:00 +0000 2024",
      "favorited": false,
      "full_text": "For my followers only",
      "lang": "en",
      "in_reply_to_status_id": "1796836584453046279",
      "in_reply_to_status_id_str": "1796836584453046279",
      "in_reply_to_user_id": "101",
      "in_reply_to_user_id_str": "101",
      "in_reply_to_screen_name": "ada_quay",
      "scopes": {
        "followers": true
      }
    }
  }
]