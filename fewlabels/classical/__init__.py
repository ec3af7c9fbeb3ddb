"""Classical estimators: seconds on tables, embeddings and TF-IDF rows.

One family, one file; `registry.py` names them. Nothing is imported here, so that one of them costs no other's import.
"""
