"""Turns the bytes that a run left into outputs, in a child process that may be killed: weights come from strangers."""
