"""Mail: what is to be told stands in the outbox, and `control` sends it."""
