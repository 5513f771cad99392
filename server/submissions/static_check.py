"""The static check of an upload: nothing of it is executed, and parsing happens in a killable process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.script_block import InvalidScriptBlock, read_script_block
from lethe.evaluator.contract.submission import EXTRA_PARAMETERS, FUNCTION, PARAMETERS
from lethe.server.errors import RequestError
from lethe.server.submissions.parser_pool import TooCostly, run_program

MESSAGE_CHARS = 300
_PARSER = Path(__file__).with_name("parse_source.py")
_CONVERTER = Path(__file__).with_name("convert_notebook.py")
NOTEBOOK_SUFFIX = ".ipynb"
NOTEBOOK_BYTES = 8 * 2**20  # pictures and other outputs lie in a notebook beside its code


class RefusedFile(RequestError):
    """The upload cannot be a submission; nothing was stored and no quota was used."""

    status = 422
    title = "File refused"

    def __init__(self, code: FaultCode, *, message: str | None = None, line: int | None = None) -> None:
        place = f"Line {line}: " if line else ""
        if message is not None and len(message) > MESSAGE_CHARS:
            message = f"{message[:MESSAGE_CHARS]}…"  # it may repeat a name of the file's own, of any length
        super().__init__(f"{FAULT_TEXTS[code]}{f' ({place}{message})' if message else ''}", line=line)
        self.code = code.value
        self.line = line
        if code is FaultCode.FILE_TOO_LARGE:
            self.status = 413


@dataclass(frozen=True)
class CheckedFile:
    """A file that can be a submission: the Python source that will run, and what was left out of a notebook."""

    source: bytes
    dependencies: tuple[str, ...]
    notes: tuple[str, ...] = ()


def reading_limit(filename: str, limit_bytes: int) -> int:
    """Return how many bytes of an upload are read at most."""
    return max(limit_bytes, NOTEBOOK_BYTES) if is_notebook(filename) else limit_bytes


def is_notebook(filename: str) -> bool:
    """Return whether the name is that of a notebook; the content is not considered."""
    return filename.lower().endswith(NOTEBOOK_SUFFIX)


def check_file(data: bytes, *, filename: str, limit_bytes: int) -> CheckedFile:
    """Return the checked file, with a notebook converted to Python first; raises RefusedFile as `check_source` does.

    The limit applies to the Python source; a notebook, whose outputs are left out, may have 8 MiB.
    """
    if not is_notebook(filename):
        return CheckedFile(source=data, dependencies=tuple(check_source(data, limit_bytes=limit_bytes)))
    _check_bytes(data, limit_bytes=NOTEBOOK_BYTES)
    answer = _run(_CONVERTER, data)
    if "source" not in answer:
        raise RefusedFile(FaultCode(answer["code"]), message=answer.get("message"))
    try:
        source = answer["source"].encode()
    except UnicodeEncodeError as error:  # JSON can spell half characters
        raise RefusedFile(FaultCode.NOT_UTF8, message="a cell holds half a character") from error
    dependencies = check_source(source, limit_bytes=limit_bytes)
    return CheckedFile(source=source, dependencies=tuple(dependencies), notes=tuple(answer["notes"]))


def check_source(data: bytes, *, limit_bytes: int) -> list[str]:
    """Return the dependencies that the file names; raises RefusedFile with a stable code, and a line if it has one."""
    _check_bytes(data, limit_bytes=limit_bytes)
    answer = _run(_PARSER, data, function=FUNCTION, parameters=len(PARAMETERS), extra=EXTRA_PARAMETERS)
    if answer["code"] is not None:
        raise RefusedFile(FaultCode(answer["code"]), message=answer.get("message"), line=answer.get("line"))
    try:
        return list(read_script_block(data).requirements)
    except InvalidScriptBlock as error:
        raise RefusedFile(FaultCode.INVALID_METADATA, message=str(error), line=error.line) from error


def _check_bytes(data: bytes, *, limit_bytes: int) -> None:
    if len(data) > limit_bytes:
        raise RefusedFile(FaultCode.FILE_TOO_LARGE, message=f"the limit is {limit_bytes:,} bytes")
    if not data.strip():
        raise RefusedFile(FaultCode.EMPTY_FILE)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedFile(FaultCode.NOT_UTF8, message=f"byte {error.start} is 0x{data[error.start]:02x}") from error


def _run(program: Path, data: bytes, **order: Any) -> dict[str, Any]:
    """Return the JSON that `program` computes from untrusted bytes in a killable process; `too_complex` if killed."""
    try:
        return run_program(program, data, **order)
    except TooCostly:
        return {"code": FaultCode.TOO_COMPLEX}
