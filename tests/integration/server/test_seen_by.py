"""Those who see a key of a specification, and nobody else, find it in API, page, board and practice bundle."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lethe.evaluator.contract.practice import practice_facts
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.seen_by import SeenBy
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_keys import Key, all_keys
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions import service
from lethe.server.competitions.disclosure import PUBLIC_RECEIPT
from lethe.server.context import create_context
from lethe.server.database.migration import migrate
from lethe.server.leaderboard.board_page import board_page
from lethe.server.leaderboard.queries import BoardQuery
from lethe.server.leaderboard.service import get_calendar, leaderboard
from lethe.server.models.times import utc_now
from lethe.server.pages.competition.view import competition_page
from lethe.server.settings import Settings
from tests.prepared_competitions import make_prepared_competition

BASE: dict[str, Any] = {
    "slug": "c",
    "title": "C",
    "data": {"source": "synthetic-faces", "seed": 3},
    "split": {"seed": 4},
    "evaluation": {"runs": 64, "oracles": 64, "ceiling_oracles": 64},
}
OWN = {"module": "model.py", "source": "def build(classes): ..."}
MODELS = {"model.options": {"architecture": "torchvision:vgg11"}, "model.module": OWN, "model.source": OWN}
"""The table in which a key of the network can be changed alone."""
MORE = {"installed": {"reader": "stripes"}}
OTHER: dict[str, Any] = {
    "data.options": {"people": 3},
    "split.forget_class": 1,
    "split.pilot_models": 10,
    "split.difficulty": "high",
    "model.architecture": "resnet18",
    "model.module": "other.py",
    "model.options": {"dropout": 0.1},
    "slug": "d",
    "links.discussion": "https://example.org/talk",
    "links.contact": "mailto:host@example.org",
    "links.rules": "https://example.org/rules",
    "links.paper": "https://example.org/paper",
    "tasks": [{"name": "x"}],
    "data.source": "digits",
    "data.class_names": [str(number) for number in range(10)],
    "phases.public_start": "2027-03-01T00:00:00Z",
    "phases.public_end": "2027-03-02T00:00:00Z",
    "phases.final_end": "2027-03-03T00:00:00Z",
    "dependencies.allowed": ["numpy"],
    "split.forget_by": "example",
    "evaluation.check_runs": 1,
    "evaluation.looks": [32],
    "limits.run_wall_s": 50.0,
    "limits.check_wall_s": 50.0,
}
NOW = utc_now()
VARIED = [
    pytest.param(key, source, id=f"{key.path}-{source}")
    for key in all_keys()
    for source in key.sources[:1] or ("synthetic-faces",)
    if key.path != "measures.columns"  # needs a score: test_measures.py
    and (key.path != "data.classes" or " to " in key.values)  # of the others there is one value
]


def another(value: Any, key: Key) -> Any:
    """Another possible value of a key."""
    if key.path in OTHER:
        return OTHER[key.path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.9
    if value is None:
        assert key.example is not None
        return json.loads(key.example)
    return next((one for one in json.loads(f"[{key.values}]") if one != value), None) if '"' in key.values else "other"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    context = create_context(Settings(home=tmp_path_factory.mktemp("home")))
    migrate(context.database)
    with context.database.write() as session:
        yield session
    context.database.dispose()


def shown(session: Session, document: dict[str, Any], *, is_revealed: bool) -> str:
    """Everything that a stranger sees of a competition, as text."""
    spec = CompetitionSpec.model_validate(document)
    ref = ArtifactRef(key="k", sha256="0" * 64)
    before = session.begin_nested()
    competition = service.create(session, spec, make_prepared_competition(ref, environment={}))
    competition.opened_at = NOW
    if is_revealed:
        competition.closed_at = competition.finals_started_at = competition.revealed_at = NOW
    session.flush()
    facts = service.facts(session, competition)
    standings = board_page(session, competition, BoardQuery(size=5))
    page = competition_page(facts, spec, standings, ref, [], "http://lethe", evaluation=Evaluation.PUBLIC, now=NOW)
    board = leaderboard(session, get_calendar(session, spec.slug), Evaluation.PUBLIC)
    bundle = practice_facts(spec, oracles=spec.practice.oracles)
    said = [facts.model_dump_json(), board.model_dump_json(), bundle.model_dump_json(), repr(asdict(page))]
    before.rollback()
    return "\n".join(said)


@pytest.mark.parametrize(("key", "source"), VARIED)
def test_a_value_is_shown_to_those_whom_its_key_names(session: Session, key: Key, source: str) -> None:
    base = (
        BASE
        if source == "synthetic-faces"
        else BASE | {"data": {"source": source, "classes": 10, **MORE.get(source, {})}}
    )
    base = base | {"model": MODELS.get(key.path, {})}
    if key.path == "split.forget_class":
        base = base | {"split": {"forget_by": "example"}}
    document = CompetitionSpec.model_validate(base).model_dump(mode="json")
    changed = json.loads(json.dumps(document))
    place = changed[key.section] if key.section else changed
    place[key.name] = another(place[key.name], key)
    if key.path == "data.source":
        changed["data"] = {"source": "digits"}
    assert changed != document
    before, after = (
        [shown(session, one, is_revealed=is_revealed) for one in (document, changed)] for is_revealed in (False, True)
    )
    is_public, is_revealed = before[0] != before[1], after[0] != after[1]
    assert is_public == (key.seen_by is SeenBy.EVERYBODY)
    assert is_revealed == (key.seen_by is not SeenBy.HOSTS)
    if key.seen_by is SeenBy.SCORED:
        assert key.name in PUBLIC_RECEIPT


def test_only_what_receipts_have_is_told_to_scored_teams() -> None:
    assert [one.path for one in all_keys() if one.seen_by is SeenBy.SCORED] == ["evaluation.oracles"]
