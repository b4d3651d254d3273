"""FG-CLIP video anomaly detection: training on captioned, boxed videos, frame scores, evaluation, heat maps."""
