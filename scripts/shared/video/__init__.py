"""Exact frames out of video files: `frames.read_frames` is the face, the other modules are its parts."""
