"""Hostile submissions, each naming the layer that must stop it, and the runner that proves whether it did."""
