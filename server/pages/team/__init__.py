"""A team in one competition, and joining another one."""
