window.YTD.profile.part0 = [
  {
    "profile": {
      "description": {
        "bio": "Counts ferries",
        "website": "https://quay.example/ada",
        "location": "The quay"
      },
      "avatarMediaUrl": "https://pbs.twimg.com/profile_images/1/ada.jpg"
    }
  }
]