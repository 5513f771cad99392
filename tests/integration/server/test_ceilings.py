"""A competition with a task whose ceiling may be zero is refused by name, before anybody uploads."""

from pathlib import Path

import pytest

from lethe.evaluator.artifacts.oracles import ModelRecord, record_key
from lethe.evaluator.artifacts.outputs import write_outputs
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import SplitSpec, TaskSpec
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting.calibration import CeilingTooLow, calibrate
from lethe.server.hosting.creation import open_competition
from lethe.server.settings import Settings
from tests.integration.server.conftest import RUNS, drawn_outputs, prepare_competition, spec

TASKS = (TaskSpec(name="alike"), TaskSpec(name="other", split=SplitSpec(seed=1)))


def store_bank(context: Context, bank: str, *, shift: float) -> None:
    """Store a bank whose second pool, the ceiling's, is moved by `shift` from the first."""
    for index in range(2 * RUNS):
        outputs = write_outputs(drawn_outputs(index, shift if index >= RUNS else 0.0))
        stored = context.artifacts.put(f"banks/{bank}/outputs/{index}.safetensors", outputs)
        record = ModelRecord(index=index, seed=index, checkpoint=stored, outputs=stored, wall_s=1.0, processor="test")
        context.artifacts.put(record_key(bank, index), record.model_dump_json().encode())


def create(context: Context, slug: str, first: PreparedCompetition, bank: str) -> None:
    """Store a competition with two tasks, the second with `bank`."""
    second = first.model_copy(update={"public": first.public.model_copy(update={"bank_digest": bank})})
    with context.database.write() as session:
        service.create(session, spec(slug=slug, tasks=TASKS), first.model_copy(update={"further_tasks": (second,)}))


def test_a_ceiling_with_zero_in_its_interval_is_refused_by_calibrate_and_open(tmp_path: Path) -> None:
    context = create_context(Settings(home=tmp_path / "home"))
    migrate(context.database)
    first = prepare_competition(context)
    store_bank(context, "c" * 64, shift=50.0)
    store_bank(context, "d" * 64, shift=0.0)
    create(context, "zero", first, "c" * 64)
    create(context, "fine", first, "d" * 64)

    with pytest.raises(CeilingTooLow, match=r"^task 'other': its ceiling is 0\.000 with 0 in its interval.*\.$"):
        calibrate(context, "zero")
    with pytest.raises(CeilingTooLow, match=r"task 'other'.*leave the task out"):
        open_competition(context, "zero")
    with context.database.read() as session:
        assert service.get_competition(session, "zero", drafts=True).opened_at is None

    ceiling, floor = calibrate(context, "fine")
    assert [task["name"] for task in ceiling["tasks"]] == ["alike", "other"]
    assert ceiling["score"] == pytest.approx(1.0)
    assert floor["score"] < ceiling["score"]
    assert open_competition(context, "fine").opened_at is not None
    context.database.dispose()
