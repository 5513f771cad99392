"""The evaluator's one exception root."""


class EvaluatorError(Exception):
    """Root of everything that the evaluator raises on purpose; the message says what to do."""
