"""Raises an exception whose methods raise, lie and return what is no text when they are asked for a message."""

LAYER = "pipes"
EXPECTED = ("exception", "exit")


class Liar(Exception):
    @property
    def __class__(self):
        return SystemExit

    def __str__(self):
        raise SystemExit(0)

    def __getattribute__(self, name):
        raise KeyboardInterrupt


def unlearning(net, retain, forget, validation):
    raise Liar from Liar()
