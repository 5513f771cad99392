"""The Celery broker: wake-ups for workers and control."""
