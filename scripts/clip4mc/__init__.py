"""CLIP4MC data preparation: video-text pairs to frame, token and size files."""
