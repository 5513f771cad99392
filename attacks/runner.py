"""Runs the corpus and judges from outside whether each case was contained."""

import importlib
import platform
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from lethe.attacks.attack_bench import AttackBench, author_view
from lethe.attacks.case import OK, AuthorView, Case, Harness, Scene
from lethe.attacks.observation import (
    REVIEWED,
    REVIEWED_AT_ONCE,
    REVIEWED_FRESH,
    differences,
    lasting_difference,
    observe,
)
from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.submission import FILENAME, FUNCTION
from lethe.sandbox import Backend, SandboxFailure
from lethe.server.submissions.static_check import RefusedFile, check_source

_STAGES = {Scene.CHECK: (Stage.CHECK,), Scene.RUN: (Stage.RUN,), Scene.BOTH: (Stage.CHECK, Stage.RUN)}
_UPLOAD_BYTES = LimitsSpec().upload_bytes
_ANSWER_CHARS = 1_000
# Characters that a terminal could obey or a database refuse; the sandbox must escape all of them.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class AttackFinding(StrEnum):
    """How a case went."""

    CONTAINED = "contained"
    BREACHED = "breached"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Verdict:
    """One case's outcome. `seen`: the codes that its author saw, in order; `reason`: of a breach or a skip."""

    case: Case
    finding: AttackFinding
    seen: tuple[str, ...] = ()
    reason: str = ""
    wall_s: float = 0.0


def run_cases(cases: Iterable[Case], bench: AttackBench) -> Iterator[Verdict]:
    """A verdict for each case, in order, as soon as it is known; raises SandboxUnavailable where nothing can be run."""
    for case in cases:
        reason = _skip_reason(case, bench)
        yield Verdict(case, AttackFinding.SKIPPED, reason=reason) if reason else run_case(case, bench)


def run_case(case: Case, bench: AttackBench) -> Verdict:
    """The verdict on one case. A fault blamed on the platform is a breach: further tries would be free."""
    started = time.monotonic()
    seen: list[str] = []
    reason = _attempt(case, bench, seen)
    finding = AttackFinding.BREACHED if reason else AttackFinding.CONTAINED
    return Verdict(case, finding, tuple(seen), reason or "", time.monotonic() - started)


def _attempt(case: Case, bench: AttackBench, seen: list[str]) -> str | None:
    """Why `case` is not contained, or None."""
    if case.harness is Harness.NONE:
        return _judge(case, [_upload(case, seen)], bench)
    if case.observed:
        return _observe(case, bench, seen)
    stages = _STAGES[case.scene]
    bench.prepare(case, stages)
    for stage in stages:
        try:
            calls = bench.call(case, stage)
        except SandboxFailure as failure:
            return f"the platform took the blame: {failure}"
        seen += [call.code for call in calls]
        behaves = case.scene is Scene.BOTH and stage is Stage.CHECK
        reason = _judge(case, calls, bench, expected=frozenset([OK]) if behaves else case.expected)
        if reason:
            return reason
    return bench.damage()


def _observe(case: Case, bench: AttackBench, seen: list[str]) -> str | None:
    """Why `case` is not contained: what a run of either stage can tell of it, after it and beside it; or None."""
    stages = (Stage.CHECK, Stage.RUN)
    reviewed = (REVIEWED, REVIEWED_FRESH) if bench.backend is Backend.FRESH else (REVIEWED,)
    before = {stage: observe(bench.patient(stage)) for stage in stages}
    bench.prepare(case, stages)
    for writing in stages:
        sandbox = bench.patient(writing)
        with ThreadPoolExecutor(1) as slot:
            attack = slot.submit(sandbox.run, case.source, function=FUNCTION, seed=0, filename=FILENAME)
            beside = differences(before[writing], observe(sandbox), *reviewed, REVIEWED_AT_ONCE)
            view = author_view(attack.result(), writing)
        seen.append(view.code)
        if view.code not in case.expected:
            return f"its author saw {view.code} instead of {' or '.join(sorted(case.expected))}"
        if beside:
            return f"a run beside it can tell: {beside}"
        for reading in stages:
            if told := lasting_difference(before[reading], bench.patient(reading), *reviewed):
                return f"a run of stage {reading} can tell what one of stage {writing} did: {told}"
    return bench.plants.disturbance() or bench.damage()


def _judge(
    case: Case, calls: list[AuthorView], bench: AttackBench, *, expected: frozenset[str] | None = None
) -> str | None:
    wanted = case.expected if expected is None else expected
    for call in calls:
        if call.code not in wanted:
            return f"its author saw {call.code} instead of {' or '.join(sorted(wanted))}"
        if call.loot:
            return f"it gained something: {call.loot[:200]!r}"
        if bench.plants.gives_away_secret(*call.texts):
            return "a secret is in what its author saw"
        if call.line is not None and call.line > case.source.count(b"\n") + 1:
            return f"a number reached its author as a line that the file has not: {call.line}"
        if any(_UNFIT.search(text) for text in call.texts):
            return "what its author saw cannot be stored or printed as it is"
    return bench.plants.disturbance()


def _upload(case: Case, seen: list[str]) -> AuthorView:
    data: bytes = importlib.import_module(f"lethe.attacks.cases.{case.name}").upload()
    try:
        check_source(data, limit_bytes=_UPLOAD_BYTES)
    except RefusedFile as refusal:
        answer, code = str(refusal), refusal.code
    else:
        answer, code = "", OK
    seen.append(code)
    loot = b"an answer as long as the question" if len(answer) > _ANSWER_CHARS else b""
    return AuthorView(code, (answer,), loot=loot)


def _skip_reason(case: Case, bench: AttackBench) -> str:
    """Why `case` cannot run on this machine; empty if it can."""
    if case.gpu and bench.gpu is None:
        return "needs a GPU, named by LETHE_GPU"
    if case.harness is Harness.TORCH and find_spec("torch") is None:
        return "needs the extra `worker`"
    if case.machine is not None and platform.machine() != case.machine:
        return f"written for {case.machine}"
    return ""
