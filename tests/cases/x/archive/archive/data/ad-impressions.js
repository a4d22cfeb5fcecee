window.YTD.ad_impressions.part0 = [
  {
    "ad": {
      "adsUserData": {
        "adImpressions": {
          "impressions": [
            {
              "promotedTweetInfo": {
                "tweetId": "1",
                "tweetText": "MARKER-NEVER-READ-ad"
              }
            }
          ]
        }
      }
    }
  }
]