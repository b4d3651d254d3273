"""Chinese captions into English, by a reviewed table that stays under version control."""
