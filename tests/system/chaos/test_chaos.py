"""Everything is killed at random; still every submission ends, with the score that it would have had in peace."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from lethe.server.models import OutputPack, Score, Submission, WorkItem
from tests.system.chaos.havoc import Havoc
from tests.system.chaos.stand import CHUNK_RUNS, RUNS, SLOTS, SLUG, Stand
from tests.system.conftest import WITHOUT_AUDITS, Installation

SEED = 20231130
SPEC = (
    WITHOUT_AUDITS.replace('slug = "mini"', f'slug = "{SLUG}"')
    .replace("chunk_runs = 6", f"chunk_runs = {CHUNK_RUNS}")
    .replace("run_wall_s = 60", "run_wall_s = 30\ncheck_wall_s = 6")
)
HEADER = "import time, torch\ndef unlearning(net, retain, forget, validation):\n"
NOISE = """    with torch.no_grad():
        for weights in net.parameters():
            weights.add_({scale} * torch.randn_like(weights))
"""
# What each kind does, and how it ends: state, code and whether it counts against the quota.
KINDS: dict[str, tuple[str, tuple[str, str | None, bool]]] = {
    "noise": (NOISE.format(scale=0.02), ("scored", None, True)),
    "more noise": (NOISE.format(scale=0.05), ("scored", None, True)),
    "nothing": ("    pass\n", ("scored", None, True)),
    "slow": ("    time.sleep(0.3)\n" + NOISE.format(scale=0.03), ("scored", None, True)),
    "fails in the check": ("    raise ValueError('at once')\n", ("failed", "exception", False)),
    "fails on hidden data": (
        "    if len(retain.dataset) > {practice}:\n        raise ValueError('later')\n",
        ("failed", "exception", True),
    ),
    "takes too long": ("    time.sleep(60)\n", ("failed", "timeout", False)),
}
# Submissions of each kind in a batch. Two of the kind "slow" come on top and are cancelled.
LARGE = {"noise": 7, "more noise": 6, "nothing": 5, "slow": 4, "fails in the check": 3, "fails on hidden data": 2,
         "takes too long": 1}  # fmt: skip
SMALL = dict.fromkeys(KINDS, 1)
CANCELLED = 2
ENDED = ("scored", "failed", "cancelled")

pytestmark = [pytest.mark.component("bubblewrap", "postgresql", "redis")]


@dataclass(frozen=True)
class Sent:
    """An accepted upload and what is to become of it."""

    identifier: UUID
    kind: str
    cancelled: bool


@pytest.fixture
def stand(
    prepared: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Stand]:
    """With as many workers as the test asks for."""
    # What is killed all the time would otherwise be left dead for longer and longer.
    monkeypatch.setattr("lethe.server.cli.supervisor.LONGEST_BACKOFF_S", 2.0)
    path = tmp_path / "chaos.toml"
    path.write_text(SPEC)
    folders = (tmp_path / "home", prepared.home / "artifacts", prepared.home / "cache")
    found = Stand(*folders, path, seed=SEED, workers=request.param)
    try:
        found.wait_until_up()
        yield found
    finally:
        found.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stand", [2], indirect=True, ids=["two workers"])
def test_everything_is_killed_and_nothing_is_lost(stand: Stand) -> None:
    _torment(stand, SMALL, kills=8, pause_s=(0.5, 2.0), away_s=3.0, batch_s=700)


@pytest.mark.chaos
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("stand", [3], indirect=True, ids=["three workers"])
def test_everything_is_killed_hundreds_of_times(stand: Stand) -> None:
    _torment(stand, LARGE, kills=300, pause_s=(1.0, 6.0), away_s=20.0, batch_s=1800)


def _torment(
    stand: Stand,
    counts: dict[str, int],
    *,
    kills: int,
    pause_s: tuple[float, float],
    away_s: float,
    batch_s: float,
) -> None:
    started = time.monotonic()
    clients = [stand.client(f"team{number}") for number in range(10)]
    calm = [_send(clients[number], kind, f"calm {kind}") for number, kind in enumerate(KINDS)]
    _wait(stand, calm, limit_s=400)
    expected = _results(stand, calm)
    havoc = Havoc(stand, seed=SEED, kills=kills, pause_s=pause_s, away_s=away_s)
    havoc.start()
    sent: list[Sent] = []
    batch = 0
    while batch == 0 or havoc.kills < kills:
        sent += _send_batch(stand, clients, counts, batch)
        _wait(stand, sent, limit_s=batch_s)
        batch += 1
        _tell(f"{havoc.kills} of {kills} kills, {len(sent)} submissions ended, {time.monotonic() - started:.0f} s")
        if havoc.failure is not None:
            break
    havoc.stop()
    _check(stand, sent, expected)
    repeated, lost = _repetitions(stand, sent)
    crashes = sum(count for name, count in havoc.done.items() if name in {"worker", "fork server", "inference"})
    assert repeated <= crashes * SLOTS + lost * CHUNK_RUNS
    _tell(
        f"{havoc.kills} kills ({', '.join(f'{count} {name}' for name, count in sorted(havoc.done.items()))}), "
        f"requests {stand.meddler.counts}, {len(sent)} submissions, {lost} leases lost, {repeated} runs repeated, "
        f"scores equal to the bit, {time.monotonic() - started:.0f} s"
    )
    for client in clients:
        client.close()


def _tell(text: str) -> None:
    """Show how it goes; the long form takes most of an hour."""
    sys.stderr.write(f"\nchaos: {text}\n")
    sys.stderr.flush()


def _send_batch(stand: Stand, clients: list[httpx.Client], counts: dict[str, int], batch: int) -> list[Sent]:
    """A batch of submissions; the last ones are cancelled as soon as they are accepted."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    sent = [_send(clients[number % len(clients)], kind, f"batch {batch} {number}") for number, kind in enumerate(kinds)]
    for number in range(CANCELLED):
        client = clients[number]
        accepted = _send(client, "slow", f"batch {batch} cancelled {number}", cancelled=True)
        _until_answered(lambda to=accepted, by=client: by.post(f"/submissions/{to.identifier}/cancel"))  # type: ignore[misc]
        sent.append(accepted)
    return sent


def _send(client: httpx.Client, kind: str, comment: str, *, cancelled: bool = False) -> Sent:
    body = KINDS[kind][0].replace("{practice}", "150")
    source = f"{HEADER}{body}'{comment}'\n".encode()
    headers = {"Idempotency-Key": comment}
    answer = _until_answered(
        lambda: client.post(
            f"/competitions/{SLUG}/submissions", files={"file": (f"{kind}.py", source)}, headers=headers
        )
    )
    assert answer.status_code in {200, 202}, answer.text
    return Sent(UUID(answer.json()["id"]), kind, cancelled)


def _until_answered(send: Any, limit_s: float = 900) -> httpx.Response:
    """The answer of a server that may be away for a while; a repeated request changes nothing more."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            answer: httpx.Response = send()
        except httpx.HTTPError:
            time.sleep(0.3)
            continue
        if answer.status_code < 500:
            return answer
        time.sleep(0.3)
    raise TimeoutError(f"no answer within {limit_s:.0f} s")


def _wait(stand: Stand, sent: list[Sent], limit_s: float) -> None:
    """Return when every submission has ended."""
    deadline = time.monotonic() + limit_s
    waiting: dict[str, int] = {}
    while time.monotonic() < deadline:
        try:
            with stand.context.database.read() as session:
                rows = session.execute(
                    select(Submission.state, func.count()).where(_of(sent)).group_by(Submission.state)
                )
                waiting = {state: count for state, count in rows if state not in ENDED}
        except DBAPIError:
            time.sleep(0.5)
            continue
        if not waiting:
            return
        time.sleep(0.3)
    raise TimeoutError(f"after {limit_s:.0f} s there are still {waiting}")


def _of(sent: list[Sent]) -> Any:
    return Submission.id.in_([one.identifier for one in sent])


def _results(stand: Stand, sent: list[Sent]) -> dict[str, tuple[Any, ...]]:
    """Everything about the score of each kind, None where there is none."""
    with stand.context.database.read() as session:
        found = {one.kind: _result(session, one.identifier) for one in sent}
        for kind, (_, (state, code, _)) in KINDS.items():
            identifier = next(one.identifier for one in sent if one.kind == kind)
            submission = session.get_one(Submission, identifier)
            assert (submission.state, submission.fault_code) == (state, code), (kind, submission.fault_message)
    assert len({result[0] for result in found.values() if result}) == 4  # kinds that score alike would prove little
    return found


def _result(session: Session, identifier: UUID) -> tuple[Any, ...]:
    score = session.scalar(select(Score).where(Score.submission_id == identifier))
    if score is None:
        return ()
    return (score.final_score, score.interval_low, score.interval_high, score.forgetting_quality, score.retain_ratio,
            score.test_ratio, score.replicates)  # fmt: skip


def _check(stand: Stand, sent: list[Sent], expected: dict[str, tuple[Any, ...]]) -> None:
    assert len({one.identifier for one in sent}) == len(sent)  # a repeated upload makes no second submission
    with stand.context.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Submission)) == len(sent) + len(KINDS)
        for one in sent:
            submission = session.get_one(Submission, one.identifier)
            state, code, charged = KINDS[one.kind][1]
            if one.cancelled:
                state, code, charged = "cancelled", "cancelled", True
            got = (submission.state, submission.fault_code, submission.is_charged)
            assert got == (state, code, charged), (one.kind, submission.fault_message)
            assert _result(session, one.identifier) == (expected[one.kind] if state == "scored" else ()), one.kind
            items = session.scalars(select(WorkItem).where(WorkItem.submission_id == one.identifier)).all()
            assert {item.state for item in items} <= {"done", "failed"} | ({"leased"} if one.cancelled else set())
            if state == "scored":
                runs = [int(index) for item in items for index in item.finished]
                assert sorted(runs) == list(range(RUNS))
                packs = select(func.count()).where(OutputPack.submission_id == one.identifier)
                assert session.scalar(packs) == 1


def _repetitions(stand: Stand, sent: list[Sent]) -> tuple[int, int]:
    """Outputs of runs that were stored beside those that count, and leases that were lost."""
    beside = 0
    with stand.context.database.read() as session:
        for one in sent:
            keys = stand.context.artifacts.list(f"submissions/{one.identifier}/0/runs")
            items = session.scalars(select(WorkItem).where(WorkItem.submission_id == one.identifier)).all()
            counted = {record["outputs"]["key"] for item in items for record in item.finished.values()
                       if record["outputs"] is not None}  # fmt: skip
            beside += len(set(keys) - counted)
        losses = select(func.sum(WorkItem.losses)).join(Submission, Submission.id == WorkItem.submission_id)
        return beside, int(session.scalar(losses.where(_of(sent))) or 0)
