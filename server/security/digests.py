"""Secrets of 256 random bits, shown once and stored as digests."""

import hashlib
import secrets


def new_secret(prefix: str) -> tuple[str, str]:
    """Return a new secret of 256 bits with its prefix, and the digest to store."""
    text = prefix + secrets.token_urlsafe(32)
    return text, digest_secret(text)


def digest_secret(text: str) -> str:
    """Return the SHA-256 digest, which suffices for secrets of 256 random bits; passwords need argon2."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
