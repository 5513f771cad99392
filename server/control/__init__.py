"""The control process: sweeps, scores and draws plots."""
