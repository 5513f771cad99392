"""Turns the weights that a run returned into outputs, in an expendable child process, because weights are hostile."""
