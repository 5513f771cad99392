"""Every limit of a specification is shown wherever participants look, or says why it is not.

A new limit costs four files: `evaluator/contract/specification.py` (the field with its `Limit`), the place that
enforces it (for a run, `evaluator/sandbox_pool.py` and `sandbox/policy.py`) and docs/reference.md (`make reference`).
API, page, command line, fault texts and reference follow from the field.
"""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.limits import Limit, Unit, limits_of
from lethe.evaluator.contract.specification import CompetitionSpec, DependenciesSpec, LimitsSpec, QuotasSpec
from lethe.server.cli.descriptions import describe_competition
from lethe.server.competitions.schemas import CompetitionFacts, PublicCounts, PublicLimits, PublicQuotas
from lethe.server.pages.formatting import limit_facts, limit_text

ROOT = Path(__file__).parents[3]
NO_LIMITS = {"dependencies.mode", "dependencies.allowed", "dependencies.notebook_installs"}
SPECS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "limits": (LimitsSpec, PublicLimits),
    "dependencies": (DependenciesSpec, PublicLimits),
    "quotas": (QuotasSpec, PublicQuotas),
}
LIMITS = [
    pytest.param(shown, name, limit, id=f"{table}.{name}")
    for table, (kind, shown) in SPECS.items()
    for name, limit in limits_of(kind).items()
]
SPEC = CompetitionSpec(slug="c", title="C")


def public(kind: type[BaseModel], **changes: Any) -> BaseModel:
    values = SPEC.limits.model_dump() | SPEC.dependencies.model_dump() | SPEC.quotas.model_dump() | changes
    return kind.model_validate(values)


def facts() -> CompetitionFacts:
    absent = dict.fromkeys(
        ("opened_at", "closed_at", "public_starts_at", "public_ends_at", "final_ends_at", "revealed_at", "metric")
    )
    return CompetitionFacts.model_validate(
        {
            **absent,
            "slug": "c", "title": "C", "summary": "", "phase": "open", "teams": 0, "submissions": 0, "description": "",
            "final_selections": 2, "architecture": "resnet-small", "image_size": 32, "batch_size": 64, "runs": 8,
            "limits": public(PublicLimits), "quotas": public(PublicQuotas),
            "counts": PublicCounts(retain=8, forget=8, validation=8, classes=2),
            "practice_counts": None, "environment": {}, "extra_parameters": [],
        }
    )  # fmt: skip


@pytest.mark.parametrize("table", SPECS)
def test_every_field_is_a_limit_that_says_what_it_is(table: str) -> None:
    kind, _ = SPECS[table]
    assert {f"{table}.{name}" for name in kind.model_fields} - NO_LIMITS == {f"{table}.{n}" for n in limits_of(kind)}
    if table != "quotas":  # exceeding a quota refuses the upload
        assert all(limit.consequence for limit in limits_of(kind).values())


@pytest.mark.parametrize(("shown", "name", "limit"), LIMITS)
def test_a_limit_is_shown_everywhere_or_says_why_not(shown: type[BaseModel], name: str, limit: Limit) -> None:
    terms = {fact.term for fact in limit_facts(public(shown))}
    described = describe_competition(facts(), [])
    reference = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    assert f".{name}` | {limit.term} |" in reference
    if limit.hidden:
        assert name not in shown.model_fields
        assert limit.label not in terms
    else:
        assert shown.model_fields[name].is_required()
        assert shown.model_json_schema()["properties"][name]["description"].startswith(limit.label)
        assert limit.label in terms
        assert f"  {limit.label}  " in described


def test_labels_are_unique() -> None:
    labels = [limit.label for kind, _ in SPECS.values() for limit in limits_of(kind).values()]
    assert len(labels) == len(set(labels))


def test_a_fault_names_the_limits_that_end_a_run_with_it() -> None:
    for kind in (LimitsSpec, DependenciesSpec):
        for limit in limits_of(kind).values():
            if limit.ends not in (None, FaultCode.PLATFORM):
                assert limit.label in FAULT_TEXTS[limit.ends]
    assert "Limit" not in FAULT_TEXTS[FaultCode.PLATFORM]


@pytest.mark.parametrize(("run_wall_s", "check_wall_s", "shown"), [(60, 300, "60 s"), (300, 60, "60 s")])
def test_the_shorter_time_counts_for_a_check_run(run_wall_s: int, check_wall_s: int, shown: str) -> None:
    found = {
        fact.term: fact.value
        for fact in limit_facts(public(PublicLimits, run_wall_s=run_wall_s, check_wall_s=check_wall_s))
    }
    assert found["Time per check run"] == shown


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (Unit.BYTES, 131_072, "128 KiB"),
        (Unit.SECONDS, 240.0, "4 min"),
        (Unit.COUNT, 50_000, "50,000"),
        (Unit.COUNT, 2.5, "2.5"),
        (Unit.SHARE, 0.2, "20%"),
        (Unit.SECONDS, None, "no limit"),
        (Unit.COUNT, 0, "no limit"),
    ],
)
def test_values_stand_in_their_unit(unit: Unit, value: float | None, text: str) -> None:
    assert limit_text(Limit(label="L", unit=unit), value) == text
