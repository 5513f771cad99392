"""A practice bundle gives back what it was packed from, and nothing else passes for one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save, save_file

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.artifacts.practice_bundle import BundleInvalid, open_bundle
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.batch_counts import ImageCounts
from lethe.evaluator.contract.hidden_estimates import HiddenScale
from lethe.evaluator.contract.practice import PRACTICE_FORMAT, practice_facts
from lethe.evaluator.contract.specification import CompetitionSpec, LimitsSpec, MetricSpec, PracticeSpec
from lethe.evaluator.practice_data import load_practice
from tests.practice_bundles import SPEC, bundle, oracles, parts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "bundle.safetensors"
    file.write_bytes(bundle())
    return file


def test_everything_comes_back(path: Path, tmp_path: Path) -> None:
    visible, evaluation, weights = parts()
    found = open_bundle(path)
    assert found.facts == practice_facts(SPEC, oracles=8)
    assert found.images() == {
        part: len(load(visible)[f"{part}.labels"]) for part in ("retain", "forget", "validation")
    } | {"test": len(load(evaluation)["test.labels"])}
    again, made = found.oracles(), oracles()
    assert again is not None
    assert all(np.array_equal(again.logits[part], made.logits[part]) for part in made.logits)
    # The store gets the artifacts of the competition to the bit.
    data = load_practice(found, open_store(tmp_path.as_uri()))
    assert (data.prepared.visible.sha256, data.prepared.evaluation.sha256) == (
        sha256_hex(visible),
        sha256_hex(evaluation),
    )
    assert data.prepared.original.sha256 == sha256_hex(weights)
    assert data.hidden is None  # the file tells nothing of hidden data
    unpacked = sorted(tmp_path.glob("bundles/*/*"))
    changed = [file.stat().st_mtime_ns for file in unpacked]
    assert load_practice(found, open_store(tmp_path.as_uri())).prepared == data.prepared
    assert [file.stat().st_mtime_ns for file in unpacked] == changed


def test_with_the_hidden_numbers_it_says_how_hidden_runs_differ(path: Path, tmp_path: Path) -> None:
    images = open_bundle(path).images()
    assert (images["retain"], images["forget"]) == (32, 4)
    known = replace(open_bundle(path), hidden=ImageCounts(retain=640, forget=40, validation=40))
    assert load_practice(known, open_store(tmp_path.as_uri())).hidden == HiddenScale(
        images_ratio=20.0, added_image_bytes=(680 - 36) * 3 * 16 * 16 * 4, wall_limit_s=60.0
    )


def test_equal_competitions_give_equal_bytes_and_one_without_oracles_says_so(tmp_path: Path) -> None:
    assert bundle() == bundle()
    file = tmp_path / "none.safetensors"
    file.write_bytes(bundle(count=0))
    found = open_bundle(file)
    assert (found.facts.oracles, found.oracles()) == (0, None)


def test_only_what_everybody_may_know_is_told(path: Path) -> None:
    """The rule of the hidden score and the limits that participants do not see stay out."""
    spec = SPEC.model_copy(
        update={
            "metric": MetricSpec(rule="competition", cap_ratios=False),
            "limits": LimitsSpec(run_retraining_fraction=0.25, run_wall_s=7.5),
        }
    )
    told = practice_facts(spec)
    assert told.metric == MetricSpec(rule="exact")
    assert (told.limits.run_wall_s, told.limits.run_retraining_fraction) == (7.5, None)
    chosen = spec.model_copy(update={"practice": PracticeSpec(rule="competition")})
    assert practice_facts(chosen).metric.rule == "competition"


@pytest.mark.parametrize("count", [1, 7])
def test_too_few_oracles_for_a_score_are_no_specification(count: int) -> None:
    with pytest.raises(ValueError, match="oracles must be 0 or at least 8"):
        CompetitionSpec.model_validate({"slug": "c", "title": "C", "practice": {"oracles": count}})


def test_another_format_is_refused_by_name(path: Path) -> None:
    arrays = load_file(path)
    facts = practice_facts(SPEC).model_dump(mode="json") | {"format": PRACTICE_FORMAT + 1, "new": "field"}
    save_file(arrays, path, metadata={"lethe": json.dumps(facts)})
    with pytest.raises(
        BundleInvalid, match=r"of format 2, and this version of Lethe reads format 1: install the server's"
    ):
        open_bundle(path)


@pytest.mark.parametrize("kept", [0, 7, 400, -1])
def test_a_truncated_file_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BundleInvalid, match=r"not a whole practice bundle .*download it again: lethe practice"):
        open_bundle(path)


def test_other_files_are_refused(path: Path) -> None:
    arrays = load_file(path)
    facts = practice_facts(SPEC)
    path.write_bytes(save({"x": np.zeros(3)}))
    with pytest.raises(BundleInvalid, match="not a whole practice bundle"):
        open_bundle(path)
    save_file({"x": np.zeros(3)}, path, metadata={"lethe": facts.model_dump_json()})
    with pytest.raises(BundleInvalid, match=r"lacks forget\.images"):
        open_bundle(path)
    save_file(arrays, path, metadata={"lethe": json.dumps(facts.model_dump(mode="json") | {"secret": 1})})
    with pytest.raises(BundleInvalid, match="not a practice bundle of this version"):
        open_bundle(path)
    del arrays["oracles.logits.test"]
    save_file(arrays, path, metadata={"lethe": practice_facts(SPEC, oracles=8).model_dump_json()})
    with pytest.raises(BundleInvalid, match=r"is damaged: .*Delete it and download it again"):
        open_bundle(path).oracles()
