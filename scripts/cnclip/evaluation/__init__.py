"""Measuring a model: features, rankings, recall both ways, official files, zero-shot classes, and the comparison."""
