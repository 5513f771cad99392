"""Which addresses that strangers have written pages may link to; nothing ever fetches them."""

from urllib.parse import urlsplit


def is_link(text: str) -> bool:
    """Return whether `text` is an http or https address that a page may link: ASCII, with a host, without a password.

    Names in other scripts are written in ASCII (`xn--…`), because some look like others.
    """
    if not text.isascii() or not text.isprintable() or set(text) & set(" \"'<>\\^`{|}"):
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and "@" not in parts.netloc


def link_host(text: str) -> str:
    """Return the host that a link leads to, which is shown so that its name cannot pretend another; empty for none."""
    return (urlsplit(text).hostname or "") if is_link(text) else ""
