"""Anomaly detection with no labels or a handful: Deep SVDD, Deep SAD, and how good they are beside simpler ones."""
