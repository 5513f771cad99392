"""Failures of the platform: always exceptions, never statuses, and never the guest's fault."""


class SandboxError(Exception):
    """Root of everything that the sandbox raises on purpose."""


class SandboxFailure(SandboxError):
    """The sandbox broke while it was starting or serving. The failure says nothing about the guest's code."""


class SandboxUnavailable(SandboxError):
    """This machine lacks something that the sandbox needs; the message says what, and how to fix it."""
