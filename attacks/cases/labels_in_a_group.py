"""Raises a group of exceptions with notes, causes and contexts full of hidden labels."""

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    try:
        raise KeyError(forget[0])
    except KeyError as error:
        error.add_note(forget[1])
        raise ExceptionGroup(forget[2], [error, ValueError(forget[3])]) from error
