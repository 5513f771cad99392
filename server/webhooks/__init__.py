"""Webhooks: messages to addresses of teams and hosts stand in the outbox, and `control` sends them."""
