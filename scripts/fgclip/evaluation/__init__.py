"""What scores are worth: ROC and precision with intervals, false alarms, controls, pointing, and the comparison."""
