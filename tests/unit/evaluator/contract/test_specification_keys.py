"""Every key of a specification says what it is, and a file that `init` writes has all of them."""

import re
import tomllib
from pathlib import Path

import pytest

from lethe.evaluator.contract.data_sources import SOURCES
from lethe.evaluator.contract.limits import Unit
from lethe.evaluator.contract.seen_by import SeenBy
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.contract.specification_keys import Key, all_keys, find, json_schema, near, sections
from lethe.evaluator.contract.specification_template import template

FIRST_WORD = re.compile(r"^[A-Z`]")


REQUIRED: dict[str, dict[str, object]] = {
    "image-folder": {"classes": 2},
    "arrays": {"classes": 2},
    "installed": {"classes": 2, "reader": "stripes"},
}


def leaves(document: dict[str, object], table: str = "") -> set[str]:
    """The paths of everything in a dumped specification that is no table, or an empty one."""
    found: set[str] = set()
    for name, value in document.items():
        found |= leaves(value, f"{table}{name}.") if isinstance(value, dict) and value else {f"{table}{name}"}
    return found


@pytest.mark.parametrize("key", all_keys(), ids=lambda key: f"{key.path}-{'-'.join(key.sources)}")
def test_every_key_says_what_it_is_and_who_sees_it(key: Key) -> None:
    assert FIRST_WORD.match(key.about)
    assert not key.about.endswith(".")
    assert isinstance(key.seen_by, SeenBy)
    assert key.is_required == (key.default_text == "required")
    if key.name.endswith("_s"):
        assert key.unit is Unit.SECONDS
    if key.name.endswith("_bytes"):
        assert key.unit is Unit.BYTES


@pytest.mark.parametrize("source", SOURCES)
def test_all_keys_of_all_sources_are_there(source: str) -> None:
    data = {"source": source} | REQUIRED.get(source, {})
    spec = CompetitionSpec.model_validate({"slug": "c", "title": "C", "data": data})
    wanted = leaves(spec.model_dump(mode="json"))
    assert wanted == {one.path for one in all_keys() if not one.sources or source in one.sources}


def test_every_table_says_what_it_is() -> None:
    assert all(sections().values())
    assert {one.section for one in all_keys()} == set(sections())


def test_a_key_has_the_facts_of_its_field() -> None:
    (rate,) = find("training.learning_rate")
    assert (rate.type, rate.values, rate.default, rate.seen_by) == ("number", "over 0", "0.001", SeenBy.EVERYBODY)
    (step,) = find("step_s")
    assert (step.path, step.unit, step.values) == ("leaks.step_s", Unit.SECONDS, "0 to 3,600")
    (hidden,) = find("limits.run_retraining_fraction")
    assert (hidden.seen_by, hidden.default_text) == (SeenBy.HOSTS, "`run_wall_s` as it is written")
    (optimizer,) = find("optimizer")
    assert optimizer.values == '"adam", "adamw", "sgd"'
    assert [one.sources for one in find("data.classes")] == [
        ("synthetic-faces", "casia-surf"),
        ("image-folder", "arrays", "installed"),
        ("digits", "cifar10", "svhn"),
        ("cifar100",),
    ]
    assert {one.path for one in find("audits")} == {"audits.runs", "audits.epochs", "audits.wall_s"}
    assert find("epoch") == []
    assert near("epoch") == ["epochs"]


def test_the_schema_describes_every_key_to_editors() -> None:
    schema = json_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["required"] == ["slug", "title"]
    for model in schema["$defs"].values():
        assert all("description" in one for one in model.get("properties", {}).values()), model["title"]
    assert schema["$defs"]["LimitsSpec"]["properties"]["memory_bytes"]["description"].startswith("Memory")


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_to_begin_with_is_a_specification(tmp_path: Path, source: str) -> None:
    file = tmp_path / "people.toml"
    file.write_text(template(source, schema="./s.json"), encoding="utf-8")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#:schema ./s.json"
    assert max(map(len, lines)) <= 120
    spec = load_specification(file)
    data = {"source": source} | REQUIRED.get(source, {})
    plain = CompetitionSpec.model_validate(
        {"slug": "our-people", "title": "Forget our people", "data": data, "audits": {}}
    )
    assert spec == plain


@pytest.mark.parametrize("source", SOURCES)
def test_every_line_that_is_commented_out_is_right(tmp_path: Path, source: str) -> None:
    text = re.sub(r"^#(?=[a-z_]+ = |    )", "", template(source, schema="./s.json"), flags=re.MULTILINE)
    file = tmp_path / "people.toml"
    file.write_text(text, encoding="utf-8")
    keys = [one for one in all_keys() if not one.sources or source in one.sources]
    assert leaves(tomllib.loads(text)) == {one.path for one in keys}
    spec = load_specification(file).model_dump(mode="json")
    assert spec["training"]["epochs"] == 12
