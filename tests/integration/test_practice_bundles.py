"""The practice bundle as `create` and `oracles seed` make it: nothing hidden is in it, and a check uses it."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from lethe.evaluator.artifacts.oracles import load_pool
from lethe.evaluator.artifacts.practice_bundle import open_bundle
from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.batch_counts import ImageCounts
from lethe.evaluator.contract.data_sources import ImageFolderSpec, SyntheticFacesSpec
from lethe.evaluator.contract.prepared_competition import PracticeFile, PreparedCompetition
from lethe.evaluator.contract.specification import (
    AuditsSpec,
    CompetitionSpec,
    EvaluationSpec,
    MetricSpec,
    PracticeSpec,
    SplitSpec,
    TrainingSpec,
)
from lethe.evaluator.data.photographs import unpack_photographs
from lethe.evaluator.data.sources import Files, load_collection
from lethe.evaluator.practice import PracticeFailed, open_practice
from lethe.evaluator.practice_data import load_practice
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting import creation, oracle_status, oracles
from lethe.server.hosting.artifact_references import bank_references, references
from lethe.server.settings import Settings
from tests.photographs import make_image_folder

pytestmark = pytest.mark.slow

SEED = 0x5EC2E7_5EED_5EED
TINY: dict[str, Any] = {
    "title": "Tiny",
    "split": SplitSpec(seed=SEED, retain_sample=8),
    "practice": PracticeSpec(identities=8, oracles=8),
    "training": TrainingSpec(epochs=1, batch_size=16),
    "evaluation": EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8),
    "audits": AuditsSpec(runs=0),
}
FACES = CompetitionSpec(
    slug="tiny",
    data=SyntheticFacesSpec(seed=SEED + 1, identities=16, images_per_identity=5, image_size=16, classes=2),
    **TINY,
)
FOLDER = CompetitionSpec(slug="folder", data=ImageFolderSpec(source="image-folder", image_size=16, classes=3), **TINY)
IDLE = b"def unlearning(net, retain, forget, validation):\n    return net\n"
Make = Callable[..., Context]


@pytest.fixture
def create(tmp_path: Path) -> Make:
    def make(spec: CompetitionSpec, files: Files | None = None) -> Context:
        context = create_context(Settings(home=tmp_path / "home"))
        migrate(context.database)
        creation.create(context, spec, files=files, jobs=2, progress=lambda _: None)
        return context

    return make


def published(context: Context, slug: str) -> tuple[PreparedCompetition, PracticeFile, Path]:
    with context.database.read() as session:
        prepared = service.prepared_competition(service.get_competition(session, slug, drafts=True))
    file = prepared.practice.bundle
    assert file is not None
    path = context.artifacts.path_of(file.artifact)
    assert path is not None
    return prepared, file, path


@pytest.mark.parametrize("spec", [FACES, FOLDER], ids=["synthetic-faces", "image-folder"])
def test_nothing_of_the_hidden_side_is_in_it(create: Make, tmp_path: Path, spec: CompetitionSpec) -> None:
    make_image_folder(tmp_path / "photographs", people=24, each=4)
    files = Files(folder=tmp_path / "photographs")
    spec = spec.model_copy(update={"split": spec.split.model_copy(update={"final": True})})
    context = create(spec, files)
    prepared, file, path = published(context, spec.slug)
    with context.database.read() as session:
        secret = service.get_competition(session, spec.slug, drafts=True).secret
    data, arrays = path.read_bytes(), load_file(path)

    hidden = unpack_photographs(context.artifacts.get(prepared.data.photographs))
    practice = load_collection(spec, files).practice
    seen = {name: values for name, values in arrays.items() if name.endswith(".images")}
    assert set(seen) == {
        f"{part}.images" for part in ("retain", "forget", "validation", "test", "retain_sample", "flipped", "jittered")
    }
    for image in hidden.images:
        assert image.tobytes() not in data
        assert np.ascontiguousarray(image[..., ::-1]).tobytes() not in data
    allowed = pictures(practice.images) | pictures(practice.images[..., ::-1])
    for name, images in seen.items():
        if name != "jittered.images":  # of the same photographs as the flipped ones
            assert pictures(images) <= allowed, name
    assert sum(len(arrays[f"{part}.labels"]) for part in ("retain", "forget", "validation", "test")) == len(practice)
    people = np.concatenate([arrays[f"{part}.person_id"] for part in ("retain", "forget", "validation", "test")])
    assert sorted(set(people.tolist())) == list(range(spec.practice.identities))
    if "synthetic" in spec.data.source:  # whose people all have ages of their own
        assert not set(hidden.ages.tolist()) & set(arrays["retain.age"].tolist())

    trusted = [prepared.data.photographs, *(ref for split in prepared.splits.values() for ref in (
        split.visible, split.evaluation, split.original, split.original_outputs))]  # fmt: skip
    banks = [split.bank_digest for split in prepared.splits.values()]
    for word in (secret, *banks, *(part for ref in trusted for part in (ref.sha256, ref.key))):
        assert word.encode() not in data
    for seed in (SEED, SEED + 1):
        assert str(seed).encode() not in data
        assert seed.to_bytes(8, "little") not in data
    for split in prepared.splits.values():
        original = context.artifacts.path_of(split.original)
        assert original is not None
        for name, weights in load_file(original).items():
            assert weights.size < 64 or weights.tobytes() not in data, name
    document = open_bundle(path).facts.model_dump(mode="json")
    assert "seed" not in json.dumps(document)
    assert file.oracles == document["oracles"] == 0


def pictures(images: NDArray[np.uint8]) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in images}


@pytest.mark.component("bubblewrap")
def test_seeding_publishes_the_oracles_and_a_check_scores_with_them(
    create: Make, tmp_path: Path, kept_image: None
) -> None:
    context = create(FACES)
    _, first, former = published(context, "tiny")
    shown: list[int] = []

    def seed(**given: Any) -> oracles.Seeded:
        options = {"count": None, "jobs": 2, "distributed": False, "progress": lambda step: shown.append(step.total)}
        return oracles.seed(context, "tiny", **options | given)

    stop = threading.Event()
    stop.set()
    seed(stop=stop)
    assert published(context, "tiny")[1] == first  # not all of them are there
    found = seed()
    assert (found.trained, found.wanted) == (24, 24)  # two pools, and eight
    assert set(shown) == {24}
    prepared, file, path = published(context, "tiny")
    assert (first.oracles, file.oracles) == (0, 8)
    assert [one.split for one in oracle_status.status(context, "tiny")] == ["public", "practice"]
    practice = oracle_status.status(context, "tiny")[1]
    assert (practice.oracles, practice.ceiling, practice.missing) == ((8, 8), (0, 0), 0)

    bundle = open_bundle(path)
    given, stored = bundle.oracles(), load_pool(context.artifacts, practice.bank, range(8))
    assert given is not None
    assert all(np.array_equal(given.logits[part], stored.logits[part]) for part in stored.logits)
    seed()
    assert published(context, "tiny")[1] == file  # made once
    with context.database.read() as session:
        kept = {ref.key for ref in (*references(session), *bank_references(session, context.artifacts))}
    assert {file.artifact.key, prepared.practice.visible.key} <= kept
    assert len([key for key in kept if key.startswith(f"banks/{practice.bank}/outputs/")]) == 8

    store = tmp_path / "mine"
    (tmp_path / "scratch").mkdir()
    with open_practice(bundle, store_folder=store, scratch=tmp_path / "scratch") as opened:
        result = opened.check(IDLE, scored_runs=10)
        assert result.fault is None
        assert result.score is not None
        assert (result.score.runs, result.score.oracles, result.score.trained_s) == (10, 8, None)
        assert not (store / "banks").exists()  # nothing was trained
        assert result.report.hidden is None
        assert Advice.NEAR_TIME_LIMIT not in result.report.advice

        # With the numbers of hidden images, as the competition's page tells them, it says what hidden runs may take.
        images = bundle.images()
        many = ImageCounts(retain=100_000 * images["retain"], forget=images["forget"], validation=images["validation"])
        known = load_practice(replace(bundle, hidden=many), opened.resources.store)
        result = replace(opened, data=known).check(IDLE)
        assert result.report.hidden is not None
        assert result.report.hidden.wall_s >= 100_000 * result.report.wall_s  # of the slower run
        assert result.report.hidden.wall_limit_s == FACES.limits.run_wall_s
        assert Advice.NEAR_TIME_LIMIT in result.report.advice

        # A bundle without oracles: eight are trained once, and how long that took is told once.
        bare = load_practice(open_bundle(former), opened.resources.store)
        for told in (True, False):
            result = replace(opened, data=bare).check(IDLE, scored_runs=8)
            assert result.score is not None
            assert (result.score.oracles, result.score.trained_s is not None) == (8, told)

        facts = bundle.facts.model_copy(update={"metric": MetricSpec(rule="competition")})
        equal = replace(opened, data=replace(opened.data, facts=facts))
        with pytest.raises(PracticeFailed, match="the practice bundle has 8: use --runs 8 or fewer"):
            equal.check(IDLE, scored_runs=9)
