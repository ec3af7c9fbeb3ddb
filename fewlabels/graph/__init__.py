"""Graphs of rows: nearest neighbors, edge weights, and the linear systems that spread labels along edges."""
