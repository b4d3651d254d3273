"""What the anomaly detector is measured on."""
