"""Plots that control draws once and stores, so that the API only hands them out."""
