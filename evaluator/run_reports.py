"""Reports of a run for its participant: its fault, and the check report of a run on practice data."""

from collections.abc import Sequence

from lethe.evaluator.contract.advice import NEAR, Advice
from lethe.evaluator.contract.explanations import explain
from lethe.evaluator.contract.faults import Fault, FaultCode, platform_fault
from lethe.evaluator.contract.hidden_estimates import HiddenEstimate, HiddenScale, estimate
from lethe.evaluator.contract.notebooks import is_converted, named_line, place_of
from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.contract.states import Owner
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


def advise(
    runs: Sequence[tuple[RunResult, bytes | None]],
    untouched: bytes,
    limits: LimitsSpec,
    scale: HiddenScale | None = None,
) -> tuple[Advice, ...]:
    """Advice from the results and outputs of the check's runs; `untouched` are the original model's outputs."""
    found = []
    if any(outputs == untouched for _, outputs in runs):
        found.append(Advice.UNCHANGED)
    elif len({result.payload for result, _ in runs}) < len(runs):
        found.append(Advice.SAME_FOR_ALL_SEEDS)
    results = [result for result, _ in runs]
    hidden = None if scale is None else estimate_hidden(results, scale)
    if max(result.wall_s for result in results) > NEAR * limits.run_wall_s or (
        hidden is not None and hidden.wall_s > NEAR * hidden.wall_limit_s
    ):
        found.append(Advice.NEAR_TIME_LIMIT)
    memory_bytes = _peak_memory(results) if hidden is None else hidden.peak_memory_bytes
    if (memory_bytes or 0) > NEAR * limits.memory_bytes:
        found.append(Advice.NEAR_MEMORY_LIMIT)
    return tuple(found)


def estimate_hidden(results: Sequence[RunResult], scale: HiddenScale) -> HiddenEstimate:
    """Return what a hidden run may need, from the check's runs: the slowest, and the one that used the most memory."""
    return estimate(scale, max(result.wall_s for result in results), _peak_memory(results))


def _peak_memory(results: Sequence[RunResult]) -> int | None:
    return max((one.peak_memory_bytes for one in results if one.peak_memory_bytes is not None), default=None)


_NEEDED = "LeftOutIsNeeded: "
STARVED_SHARE = 0.5
"""A run that ran out of time was starved if it waited for a processor in this share of it."""

MOST_USED_SHARE = 0.25
"""… and if all its processes together used less than this."""


def is_starved(result: RunResult) -> bool:
    """Whether the run ended for want of processor time that the machine did not have.

    Sleeping is no excuse, and neither are processes of the run's own that take the time from each other.
    """
    if result.status is not Status.TIMEOUT or result.waited_s is None or result.cpu_s is None:
        return False
    return result.waited_s > STARVED_SHARE * result.wall_s and result.cpu_s < MOST_USED_SHARE * result.wall_s


def fault_of(result: RunResult, *, is_hidden: bool) -> Fault:
    """The fault behind a result: the participant's, or the platform's if the run was starved.

    For a hidden run the participant's has only code and line, without the message.
    """
    if is_starved(result):
        waited = f"{result.waited_s:.1f} of {result.wall_s:.1f} s"
        return platform_fault(f"the run waited for a processor in {waited}: this machine has too much to do")
    error = result.error
    message = "" if error is None or is_hidden else ": ".join(part for part in (error.type, error.message) if part)
    line = error.line if error is not None and error.line is not None and error.line > 0 else None
    return Fault(code=FAULT_CODES[result.status], message=message[:4_000], line=line)


def explained(fault: Fault, source: bytes, batch_note: str = "") -> Fault:
    """The fault of a check with the place in the notebook's cells, and with what to change where that is known.

    Its line is the one that a message on a needed statement names; such an error is raised outside of the file.
    """
    if fault.owner is not Owner.PARTICIPANT or not fault.message:
        return fault
    text = source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    place = f"{place_of(text, fault.line)}: " if fault.line is not None and is_converted(text) else ""
    what = explain(fault.message, batch_note)
    message = f"{place}{fault.message[:3_000]}" + (f"\n{what}" if what else "")
    line = fault.line
    if line is None and fault.message.startswith(_NEEDED):
        line = named_line(text, fault.message)
    return fault.model_copy(update={"message": message[:4_000], "line": line})


def check_report(
    result: RunResult,
    packages: tuple[str, ...],
    advice: tuple[Advice, ...] = (),
    limits: LimitsSpec | None = None,
) -> CheckReport:
    """The report that the participant sees of a run on practice data, under the `limits` of that run."""
    trace = result.error.traceback if result.error is not None else ""
    return CheckReport(
        stdout=result.stdout,
        stderr=result.stderr,
        traceback=trace,
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        peak_memory_bytes=result.peak_memory_bytes,
        packages=packages,
        advice=advice,
        wall_limit_s=None if limits is None else limits.run_wall_s,
        memory_limit_bytes=None if limits is None else limits.memory_bytes,
    )
