"""Runs one untrusted Python function under limits and returns a typed result. Knows nothing of unlearning."""
