"""Webhooks of a team, and of the hosts of a competition."""
