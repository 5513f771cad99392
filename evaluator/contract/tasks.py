"""Names of Celery queues and tasks. A message says "there is work" and nothing else; SQL says which."""

EVALUATE_QUEUE = "evaluate"
CONTROL_QUEUE = "control"
WAKE_EVALUATE_TASK = "lethe.evaluate.wake"
WAKE_CONTROL_TASK = "lethe.control.wake"
WORKER_POLL_S = 10.0
