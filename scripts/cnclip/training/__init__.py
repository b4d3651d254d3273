"""Fine-tuning and distillation of Chinese CLIP models."""
