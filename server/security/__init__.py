"""Authentication: passwords, browser sessions, API tokens and worker keys."""
