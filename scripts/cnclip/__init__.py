"""Chinese CLIP: data, training, evaluation, compression and export of Chinese image-text models."""
