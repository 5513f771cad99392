"""Says what databases refuse and terminals obey: null bytes, escapes, reversed text, half characters."""

import sys

LAYER = "pipes"
EXPECTED = "exception"

TEXT = "a\0b \x1b]0;title\x07 \x1b[2J \x9b31m \u202etxt.exe \u2066 \ud800 <script>alert(1)</script>"


def unlearning(net, retain, forget, validation):
    sys.stdout.buffer.write(TEXT.encode("utf-8", "surrogatepass") + bytes(range(256)))
    sys.stderr.write(TEXT)
    raise type("T\u202e<b>", (Exception,), {})(TEXT)
