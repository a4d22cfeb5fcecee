window.YTD.deleted_note_tweet.part0 = [
  {
    "noteTweet": {
      "noteTweetId": "1",
      "createdAt": "2024-06-02T09:30:00.000Z",
      "core": {
        "text": "MARKER-NEVER-READ-note"
      }
    }
  }
]