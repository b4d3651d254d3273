"""From noise and text vectors to latents: which token is sampled when, and the samplers."""
