window.YTD.direct_messages_group.part0 = [
  {
    "dmConversation": {
      "conversationId": "9",
      "messages": [
        {
          "messageCreate": {
            "text": "MARKER-NEVER-READ-group",
            "senderId": "101",
            "id": "2"
          }
        }
      ]
    }
  }
]