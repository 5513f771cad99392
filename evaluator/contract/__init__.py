"""What the server and the evaluator say to each other: statuses, jobs, outcomes and the competition's specification.

Imported by both sides and importing neither; no torch, no Celery, no settings.
"""
