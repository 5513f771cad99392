"""The closed vocabulary of ends without a score: codes and owners. `fault_texts` has the sentences."""

from enum import StrEnum

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.states import Owner


class FaultCode(StrEnum):
    """Stable codes; clients may match on them."""

    # Found in the file before anything runs.
    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    NOT_UTF8 = "not_utf8"
    SYNTAX_ERROR = "syntax_error"
    TOO_COMPLEX = "too_complex"
    INVALID_NOTEBOOK = "invalid_notebook"
    NO_UNLEARNING = "no_unlearning"
    WRONG_PARAMETERS = "wrong_parameters"
    INVALID_METADATA = "invalid_metadata"
    # Found while its dependencies are installed.
    DEPENDENCY_NOT_ALLOWED = "dependency_not_allowed"
    DEPENDENCY_UNKNOWN = "dependency_unknown"
    DEPENDENCY_CONFLICT = "dependency_conflict"
    DEPENDENCY_SOURCE_ONLY = "dependency_source_only"
    DEPENDENCY_SHADOWS = "dependency_shadows"
    DEPENDENCY_TOO_LARGE = "dependency_too_large"
    DEPENDENCY_TIMEOUT = "dependency_timeout"
    # Found by running it.
    IMPORT_ERROR = "import_error"
    EXCEPTION = "exception"
    EXIT = "exit"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    PROCESS_LIMIT = "process_limit"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"
    NO_RESULT = "no_result"
    INVALID_RESULT = "invalid_result"
    WRONG_ARCHITECTURE = "wrong_architecture"
    NOT_FINITE = "not_finite"
    EVALUATION_TIMEOUT = "evaluation_timeout"
    # Ours.
    PLATFORM = "platform"
    # The host's or the participant's decision.
    CANCELLED = "cancelled"


class Fault(Contract):
    """Why a submission ended without a score. `message` stays empty for runs on hidden data."""

    code: FaultCode
    owner: Owner = Owner.PARTICIPANT
    message: str = Field(
        default="",
        max_length=4_000,
        description="What the participant's code or the installer said; practice data only",
    )
    line: int | None = Field(default=None, ge=1, description="Line of the submitted file")


def platform_fault(message: str) -> Fault:
    """A fault of Lethe's own; the message is for the host's eyes."""
    return Fault(code=FaultCode.PLATFORM, owner=Owner.PLATFORM, message=message[:4_000])
