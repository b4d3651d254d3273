"""Training: which frames and boxes an item gives, batches, losses, the loop, what it leaves."""
