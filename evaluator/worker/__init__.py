"""The worker process: claims jobs, runs them and reports how they ended."""
