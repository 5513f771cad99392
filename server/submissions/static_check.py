"""The static check of an upload: nothing of it is executed, and parsing happens in a killable process."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from evaluator.contract.faults import FAULT_TEXTS, FaultCode
from evaluator.contract.script_block import InvalidScriptBlock, read_script_block
from evaluator.contract.submission import EXTRA_PARAMETERS, FUNCTION, PARAMETERS
from server.errors import PlatformError, RequestError

WALL_LIMIT_S = 10.0
MESSAGE_CHARS = 300
_PARSERS = threading.BoundedSemaphore(4)
_PROGRAM = Path(__file__).with_name("parse_source.py")


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
        if code is FaultCode.FILE_TOO_LARGE:
            self.status = 413


def check_source(data: bytes, *, limit_bytes: int) -> list[str]:
    """The dependencies that the file names; raises RefusedFile with a stable code, and the line where there is one."""
    if len(data) > limit_bytes:
        raise RefusedFile(FaultCode.FILE_TOO_LARGE, message=f"the limit is {limit_bytes:,} bytes")
    if not data.strip():
        raise RefusedFile(FaultCode.EMPTY_FILE)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedFile(FaultCode.NOT_UTF8, message=f"byte {error.start} is 0x{data[error.start]:02x}") from error
    answer = _parse(data)
    if answer["code"] is not None:
        raise RefusedFile(FaultCode(answer["code"]), message=answer.get("message"), line=answer.get("line"))
    try:
        return list(read_script_block(data).requirements)
    except InvalidScriptBlock as error:
        raise RefusedFile(FaultCode.INVALID_METADATA, message=str(error), line=error.line) from error


def _parse(data: bytes) -> dict[str, Any]:
    order = {"function": FUNCTION, "parameters": len(PARAMETERS), "extra": EXTRA_PARAMETERS}
    with _PARSERS:
        try:
            process = subprocess.run(
                [sys.executable, "-I", "-S", "-X", "utf8", str(_PROGRAM), json.dumps(order)],
                input=data,
                capture_output=True,
                timeout=WALL_LIMIT_S,
                env={},
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"code": FaultCode.TOO_COMPLEX}
    if process.returncode < 0 or (process.returncode != 0 and b"MemoryError" in process.stderr):
        return {"code": FaultCode.TOO_COMPLEX}
    if process.returncode != 0:
        raise PlatformError(f"the parser failed: {process.stderr[-500:].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer
