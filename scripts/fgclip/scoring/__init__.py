"""Scores of videos: each wanted frame decoded and encoded once, margins of frames and of places within them."""
