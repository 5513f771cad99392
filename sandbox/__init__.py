"""Runs one untrusted Python function under limits and returns a typed result. Knows nothing of unlearning."""

from lethe.sandbox.errors import SandboxError, SandboxFailure, SandboxUnavailable
from lethe.sandbox.policy import Allowance, Policy
from lethe.sandbox.result import GuestError, RunResult, Status
from lethe.sandbox.sandbox import Sandbox, open_sandbox
from lethe.sandbox.setup import Backend, Setup

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
