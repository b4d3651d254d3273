"""From mono audio to features: one module a kind of model."""
