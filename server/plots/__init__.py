"""Plots of scored submissions, as SVGs with their meaning in words."""
