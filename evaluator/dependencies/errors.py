"""The ways in which an installation fails: the submission's fault, the platform's, or an interrupt."""

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.errors import EvaluatorError


class DependencyRefused(EvaluatorError):
    """The submission's dependencies cannot be installed; `code` is the reason, the message the installer's.

    `name` is the package at fault where it is known.
    """

    def __init__(self, code: FaultCode, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name


class InstallerFailure(EvaluatorError):
    """The installation failed through no fault of the submission: the index is away, a folder is not writable."""


class InstallInterrupted(EvaluatorError):
    """The caller's event ended the installation."""
