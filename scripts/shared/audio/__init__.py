"""Reading audio files: exact samples, mono, at one rate."""
