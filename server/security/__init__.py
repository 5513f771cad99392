"""Who asks: passwords, browser sessions, API tokens and worker keys."""
