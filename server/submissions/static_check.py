"""The static check of an upload: nothing of it is executed, and parsing happens in a killable process."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.notebooks import place_of
from lethe.evaluator.contract.parameters import SIGNATURE, Parameter, Unbindable, bind
from lethe.evaluator.contract.script_block import InvalidScriptBlock, read_script_block
from lethe.evaluator.contract.specification import BASE_PACKAGES, DependenciesSpec
from lethe.evaluator.contract.submission import FUNCTION, NOTEBOOK_SUFFIX
from lethe.server.errors import RequestError
from lethe.server.submissions.parser_pool import TooCostly, run_program

MESSAGE_CHARS = 300
_PARSER = Path(__file__).with_name("parse_source.py")
_CONVERTER = Path(__file__).with_name("convert_notebook.py")
NOTEBOOK_BYTES = 8 * 2**20  # pictures and other outputs lie in a notebook beside its code


class RefusedFile(RequestError):
    """The upload cannot be a submission; nothing was stored and no quota was used."""

    status = 422
    title = "File refused"

    def __init__(self, code: FaultCode, *, message: str | None = None, line: int | None = None, text: str = "") -> None:
        place = f"{_capitalised(place_of(text, line))}: " if line else ""
        if message is not None and len(message) > MESSAGE_CHARS:
            message = f"{message[:MESSAGE_CHARS]}…"  # it may repeat a name of the file's own, of any length
        super().__init__(f"{FAULT_TEXTS[code]}{f' ({place}{message})' if message else ''}", line=line)
        self.code = code.value
        self.line = line
        if code is FaultCode.FILE_TOO_LARGE:
            self.status = 413


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class CheckedFile:
    """A file that can be a submission: the Python source that will run, and what was left out of a notebook.

    `form_sha256` is a digest of program and dependencies without comments and layout, `shape_sha256` one without names
    and values, too; None if there is none.
    """

    source: bytes
    dependencies: tuple[str, ...]
    notes: tuple[str, ...] = ()
    form_sha256: str | None = None
    shape_sha256: str | None = None


def reading_limit(filename: str, limit_bytes: int) -> int:
    """Return how many bytes of an upload are read at most."""
    return max(limit_bytes, NOTEBOOK_BYTES) if is_notebook(filename) else limit_bytes


def is_notebook(filename: str) -> bool:
    """Return whether the name is that of a notebook; the content is not considered."""
    return filename.lower().endswith(NOTEBOOK_SUFFIX)


def check_file(
    data: bytes, *, filename: str, limit_bytes: int, dependencies: DependenciesSpec | None = None
) -> CheckedFile:
    """Return the checked file, with a notebook converted to Python first; raises RefusedFile as `check_source` does.

    The limit applies to the Python source; a notebook, whose outputs are left out, may have 8 MiB. `dependencies` say
    which packages that a notebook installs are a script block; None: no package.
    """
    if not is_notebook(filename):
        return _check_python(data, limit_bytes=limit_bytes)
    _check_bytes(data, limit_bytes=NOTEBOOK_BYTES)
    answer = _run(_CONVERTER, data, **_installs(dependencies))
    if "source" not in answer:
        raise RefusedFile(FaultCode(answer["code"]), message=answer.get("message"))
    try:
        source = answer["source"].encode()
    except UnicodeEncodeError as error:  # JSON can spell half characters
        raise RefusedFile(FaultCode.NOT_UTF8, message="a cell holds half a character") from error
    checked = _check_python(source, limit_bytes=limit_bytes)
    return replace(checked, notes=(*answer["notes"], *checked.notes))


def _installs(spec: DependenciesSpec | None) -> dict[str, list[str] | None]:
    if spec is None or not spec.notebook_installs or spec.mode == "none":
        return {}
    return {"base": sorted(BASE_PACKAGES), "allowed": None if spec.mode == "any" else sorted(spec.allowed)}


def check_source(data: bytes, *, limit_bytes: int) -> list[str]:
    """Return the dependencies that the file names; raises RefusedFile with a stable code, and a line if it has one."""
    return list(_check_python(data, limit_bytes=limit_bytes).dependencies)


def _check_python(data: bytes, *, limit_bytes: int) -> CheckedFile:
    """Return the checked Python source; raises as `check_source` does."""
    _check_bytes(data, limit_bytes=limit_bytes)
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    answer = _run(_PARSER, data, function=FUNCTION)
    if answer["code"] is not None:
        raise RefusedFile(FaultCode(answer["code"]), message=answer.get("message"), line=answer.get("line"), text=text)
    notes = _binding_notes(answer, text)
    try:
        requirements = tuple(read_script_block(data).requirements)
    except InvalidScriptBlock as error:
        raise RefusedFile(FaultCode.INVALID_METADATA, message=str(error), line=error.line, text=text) from error
    form, shape = (
        None if answer.get(name) is None else sha256_hex("\n".join((answer[name], *requirements)).encode())
        for name in ("form", "shape")
    )
    return CheckedFile(source=data, dependencies=requirements, notes=notes, form_sha256=form, shape_sha256=shape)


def _binding_notes(answer: dict[str, Any], text: str) -> tuple[str, ...]:
    """Return what the function's parameters are given, where that is not simply the contract; raises RefusedFile."""
    if answer["signature"] is None:
        return ()
    try:
        binding = bind(Parameter(*one) for one in answer["signature"])
    except Unbindable as error:
        raise RefusedFile(FaultCode.WRONG_PARAMETERS, message=str(error), line=answer["line"], text=text) from error
    if answer["is_decorated"] and not binding.is_in_order:
        hidden = f"a decorator may hide the names of its parameters, which are in another order; write {SIGNATURE}"
        raise RefusedFile(FaultCode.WRONG_PARAMETERS, message=hidden, line=answer["line"], text=text)
    return () if binding.is_plain else (binding.note(),)


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
