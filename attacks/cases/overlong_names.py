"""Raises an exception with a name, a message, notes and a chain of causes of a megabyte each."""

LAYER = "pipes"
EXPECTED = ("exception", "output_limit", "out_of_memory", "exit")


def unlearning(net, retain, forget, validation):
    error = None
    for _ in range(400):
        error, cause = type("E" * (1 << 16), (Exception,), {})("m" * (1 << 16)), error
        error.__cause__ = cause
        error.add_note("n" * (1 << 16))
    raise error
