"""People: registration, API tokens and roles."""
