"""Accuracy against the number of labels: what the labels bought, and what more would buy."""
