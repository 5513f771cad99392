"""Leased work for workers: checks, runs, scores and training orders, in a fair order."""
