"""Runs one untrusted Python function under limits and returns a typed result. Knows nothing of unlearning."""

from sandbox.errors import SandboxError, SandboxFailure, SandboxUnavailable
from sandbox.policy import Allowance, Policy
from sandbox.result import GuestError, RunResult, Status
from sandbox.sandbox import Sandbox, open_sandbox
from sandbox.setup import Backend, Setup

__all__ = [
    "Allowance",
    "Backend",
    "GuestError",
    "Policy",
    "RunResult",
    "Sandbox",
    "SandboxError",
    "SandboxFailure",
    "SandboxUnavailable",
    "Setup",
    "Status",
    "open_sandbox",
]
