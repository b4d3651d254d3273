"""What is done to a run or a dataset as a whole: watch, check, stop, verify, prune, back up."""
