"""Downloads weights."""

import urllib.request

urllib.request.urlopen("https://example.org/weights.pth")


def unlearning(net, retain, forget, validation):
    return net
