window.YTD.note_tweet.part0 = [
  {
    "noteTweet": {
      "noteTweetId": "5550",
      "updatedAt": "2024-06-02T09:29:58.000Z",
      "lifecycle": {
        "value": "1",
        "name": "Active"
      },
      "createdAt": "2024-06-02T09:29:58.000Z",
      "core": {
        "styletags": [],
        "urls": [],
        "text": "2/ Made in the same second, but another text altogether",
        "mentions": [],
        "cashtags": [],
        "hashtags": []
      }
    }
  },
  {
    "noteTweet": {
      "noteTweetId": "5551",
      "updatedAt": "2024-06-02T09:29:59.000Z",
      "lifecycle": {
        "value": "1",
        "name": "Active"
      },
      "createdAt": "2024-06-02T09:29:59.000Z",
      "core": {
        "styletags": [],
        "urls": [
          {
            "expandedUrl": "https://quay.example/tale",
            "toIndex": "64",
            "shortUrl": "https://t.co/newLink",
            "displayUrl": "quay.example/tale",
            "fromIndex": "44"
          }
        ],
        "text": "2/ A long tale of the log, which has a link https://t.co/newLink and goes on for so many words that nobody could have put them into one short post, not even the harbour master, who is known for his small hand and who once wrote the whole of March on the back of a ticket, rain included, and the two days of snow. #Quay",
        "mentions": [],
        "cashtags": [],
        "hashtags": [
          {
            "text": "Quay",
            "fromIndex": "313",
            "toIndex": "318"
          }
        ]
      }
    }
  }
]