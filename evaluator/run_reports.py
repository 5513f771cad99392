"""Reports of a run for its participant: its fault, and the check report of a run on practice data."""

from collections.abc import Sequence

from lethe.evaluator.contract.advice import NEAR, Advice
from lethe.evaluator.contract.faults import Fault, FaultCode
from lethe.evaluator.contract.work import CheckReport
from lethe.sandbox import RunResult, Status

FAULT_CODES = {
    Status.EXCEPTION: FaultCode.EXCEPTION,
    Status.EXIT: FaultCode.EXIT,
    Status.TIMEOUT: FaultCode.TIMEOUT,
    Status.OUT_OF_MEMORY: FaultCode.OUT_OF_MEMORY,
    Status.PROCESS_LIMIT: FaultCode.PROCESS_LIMIT,
    Status.OUTPUT_LIMIT: FaultCode.OUTPUT_LIMIT,
    Status.KILLED: FaultCode.KILLED,
    Status.INVALID_RESULT: FaultCode.INVALID_RESULT,
    Status.NO_RESULT: FaultCode.NO_RESULT,
    Status.IMPORT_ERROR: FaultCode.IMPORT_ERROR,
}


def advise(runs: Sequence[tuple[RunResult, bytes | None]], untouched: bytes, run_wall_s: float) -> tuple[Advice, ...]:
    """Advice from the results and outputs of the check's runs; `untouched` are the original model's outputs."""
    found = []
    if any(outputs == untouched for _, outputs in runs):
        found.append(Advice.UNCHANGED)
    elif len({result.payload for result, _ in runs}) < len(runs):
        found.append(Advice.SAME_FOR_ALL_SEEDS)
    if max(result.wall_s for result, _ in runs) > NEAR * run_wall_s:
        found.append(Advice.NEAR_TIME_LIMIT)
    return tuple(found)


def fault_of(result: RunResult, *, is_hidden: bool) -> Fault:
    """The participant's fault behind a result; for a hidden run only its code and line, without the message."""
    error = result.error
    message = "" if error is None or is_hidden else f"{error.type}: {error.message}"
    line = error.line if error is not None and error.line is not None and error.line > 0 else None
    return Fault(code=FAULT_CODES[result.status], message=message[:4_000], line=line)


def check_report(
    result: RunResult, fault: Fault | None, packages: tuple[str, ...], advice: tuple[Advice, ...] = ()
) -> CheckReport:
    """The report that the participant sees of a run on practice data."""
    trace = result.error.traceback if result.error is not None else (fault.message if fault else "")
    return CheckReport(
        stdout=result.stdout,
        stderr=result.stderr,
        traceback=trace,
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        peak_memory_bytes=result.peak_memory_bytes,
        packages=packages,
        advice=advice,
    )
