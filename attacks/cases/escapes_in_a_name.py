"""Puts escape sequences, markup and reversed text where an answer repeats them."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    name = "\\u001b[2J\\u202e<script>"
    return f'# /// script\n# dependencies = ["{name}"]\n# ///\n'.encode() + GOOD
