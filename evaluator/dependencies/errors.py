"""How installing ends without a layer: the submission's fault, the platform's, or nobody's."""

from evaluator.contract.faults import FaultCode
from evaluator.errors import EvaluatorError


class DependencyRefused(EvaluatorError):
    """The submission's dependencies cannot be had; `code` says why and the text what the installer said of it."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class InstallerFailure(EvaluatorError):
    """Installing broke for a reason that the submission did not give: the index is away, a folder is closed."""


class InstallInterrupted(EvaluatorError):
    """The caller's event said that nobody waits for the result any more."""
