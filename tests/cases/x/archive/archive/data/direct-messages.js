window.YTD.direct_messages.part0 = [
  {
    "dmConversation": {
      "conversationId": "101-202",
      "messages": [
        {
          "messageCreate": {
            "recipientId": "202",
            "text": "MARKER-NEVER-READ-direct",
            "senderId": "101",
            "id": "1",
            "createdAt": "2024-06-01T00:00:00.000Z"
          }
        }
      ]
    }
  }
]