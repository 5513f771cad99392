"""States change in `server/lifecycle` only, by transitions that have an owner, an event and a caller."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lethe.evaluator.contract.states import TERMINAL_STATES, SubmissionState, WorkState
from lethe.server.lifecycle.transitions import (
    Actor,
    IllegalTransition,
    OfSubmission,
    OfTrainingOrder,
    OfWorkItem,
    Transition,
)

ROOT = Path(__file__).parents[4]
TABLES: dict[type, type[SubmissionState] | type[WorkState]] = {
    OfSubmission: SubmissionState,
    OfWorkItem: WorkState,
    OfTrainingOrder: WorkState,
}
ENTITIES = {"Submission", "WorkItem", "ModelOrder"}
COLUMNS = {"state", "owner", "finished_at", "fault_stage", "fault_code", "fault_message", "fault_line"}
ELSEWHERE = [path for path in sorted((ROOT / "server").rglob("*.py")) if path.parent.name != "lifecycle"]


def transitions(table: type) -> dict[str, Transition]:
    return {name: value for name, value in vars(table).items() if isinstance(value, Transition)}


def written(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every column in COLUMNS that the code assigns, gives to a new entity or to an UPDATE."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in COLUMNS:
            yield node.lineno, node.attr
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "setattr" and isinstance(node.args[1], ast.Constant) and node.args[1].value in COLUMNS:
            yield node.lineno, node.args[1].value
        if name in ENTITIES | {"values"}:
            yield from ((node.lineno, one.arg) for one in node.keywords if one.arg in COLUMNS)
        if name == "values":
            keys = [key for one in node.args if isinstance(one, ast.Dict) for key in one.keys]
            names = (getattr(key, "attr", getattr(key, "value", None)) for key in keys)
            yield from ((node.lineno, column) for column in names if column in COLUMNS)


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_else_writes_a_state_or_an_end(path: Path) -> None:
    assert list(written(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "item.state = 'done'",
        "submission.owner = submission.fault_code = None",
        "a, b.finished_at = 1, 2",
        "setattr(item, 'state', 'done')",
        "update(WorkItem).values(state='done')",
        "update(WorkItem).values({'state': 'done'})",
        "update(WorkItem).values({WorkItem.state: 'done'})",
        "session.add(WorkItem(state='done'))",
    ],
)
def test_a_write_is_found(code: str) -> None:
    assert list(written(ast.parse(code)))


@pytest.mark.parametrize("table", TABLES)
def test_every_transition_has_an_owner_an_event_and_states(table: type) -> None:
    assert transitions(table)
    for name, one in transitions(table).items():
        assert isinstance(one.owner, Actor), name
        assert one.event.isidentifier(), name
        assert one.sources, name
        assert one.targets, name
        assert one.sources | one.targets <= set(TABLES[table]), name


@pytest.mark.parametrize("table", TABLES)
def test_every_state_is_reached_and_only_ends_are_left_by_nothing_but_a_new_start(table: type) -> None:
    reached = frozenset[str]().union(*(one.targets for one in transitions(table).values()))
    unreachable = set(TABLES[table]) - reached
    assert unreachable == ({WorkState.POISONED} if table is OfTrainingOrder else set())


def test_a_submission_that_has_ended_only_runs_again() -> None:
    leaving = {name for name, one in transitions(OfSubmission).items() if one.sources & TERMINAL_STATES}
    assert leaving == {"COMPLETED", "RERUN"}


@pytest.mark.parametrize("table", TABLES)
def test_every_transition_has_a_caller(table: type) -> None:
    used = set()
    for path in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == table.__name__:
                used.add(node.attr)
    assert used == set(transitions(table))


def test_illegal_transitions_raise() -> None:
    assert OfSubmission.SCORED.target("scoring") == "scored"
    assert OfSubmission.RERUN.target("failed", "running") == "running"
    with pytest.raises(IllegalTransition, match="submission_scored: not possible from the state cancelled"):
        OfSubmission.SCORED.target("cancelled")
    with pytest.raises(IllegalTransition, match="submission_rerun: does not lead to the state scoring"):
        OfSubmission.RERUN.target("failed", "scoring")
