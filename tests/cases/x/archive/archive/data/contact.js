window.YTD.contact.part0 = [
  {
    "contact": {
      "id": "1",
      "emails": [
        "MARKER-NEVER-READ@contact.example"
      ],
      "phoneNumbers": []
    }
  }
]