window.YTD.account.part0 = [
  {
    "account": {
      "email": "ada@quay.example",
      "createdVia": "web",
      "username": "ada_quay",
      "accountId": "101",
      "createdAt": "2012-01-01T00:00:00.000Z",
      "accountDisplayName": "Ada of the Quay"
    }
  }
]