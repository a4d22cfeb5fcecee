window.YTD.like.part0 = [
  {
    "like": {
      "tweetId": "1",
      "fullText": "MARKER-NEVER-READ-like",
      "expandedUrl": "https://twitter.com/i/web/status/1"
    }
  }
]