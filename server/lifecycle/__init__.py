"""How a submission ends, and what that does to its work."""
