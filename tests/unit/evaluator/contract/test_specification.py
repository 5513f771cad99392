"""Specifications: the shipped ones load, secrets are drawn, and a source takes only the fields that it has."""

from pathlib import Path

import pytest

from evaluator.contract.specification import CompetitionSpec, SpecificationError, SyntheticFacesSpec, load_specification

SHIPPED = sorted((Path(__file__).parents[4] / "server/competitions/specs").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.toml"
    path.write_text(f'slug = "c"\ntitle = "C"\n{text}')
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specifications_load(path: Path) -> None:
    spec = load_specification(path)
    assert spec.slug == path.stem
    assert CompetitionSpec.model_validate_json(spec.model_dump_json()) == spec
    # The demo is public and alike everywhere; every other competition keeps its forget set to its database.
    assert (spec.split.seed is None) == (spec.slug != "demo")


def test_the_three_promised_ones_ship() -> None:
    assert [path.stem for path in SHIPPED] == ["demo", "digits", "surf"]


def test_surf_is_the_set_up_of_2023() -> None:
    spec = load_specification(next(path for path in SHIPPED if path.stem == "surf"))
    recipe = spec.training
    assert (spec.data.source, spec.data.image_size, spec.data.classes) == ("casia-surf", 32, 10)
    assert (spec.model.architecture, spec.metric.rule, spec.metric.cap_ratios) == ("resnet18", "competition", False)
    assert {spec.evaluation.runs, spec.evaluation.oracles, spec.evaluation.ceiling_oracles} == {512}
    assert (recipe.optimizer, recipe.learning_rate, recipe.weight_decay, recipe.schedule) == (
        "adam",
        1e-4,
        5e-3,
        "cosine",
    )
    assert (recipe.epochs, recipe.batch_size, recipe.class_weights) == (30, 64, True)
    assert (recipe.flip, recipe.crop_padding) == (False, 0)


def test_seeds_that_are_left_out_are_drawn_and_others_kept() -> None:
    spec = CompetitionSpec(slug="c", title="C")
    draws = iter([11, 22])
    seeded = spec.with_seeds(lambda: next(draws))
    assert isinstance(seeded.data, SyntheticFacesSpec)
    assert {seeded.split.seed, seeded.data.seed} == {11, 22}
    assert seeded.with_seeds(lambda: 99) == seeded
    assert CompetitionSpec.model_validate(seeded.model_dump(mode="json")) == seeded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[data]\nsource = "flickr"', "data.source: name one of .*casia-surf"),
        ("[data]\nidentities = 9", "data.source: name one of"),
        ('[data]\nsource = "digits"\nidentities = 9', "data.identities: Extra inputs"),
        ('[data]\nsource = "casia-surf"\nseed = 9', "data.seed: Extra inputs"),
        ('[data]\nsource = "image-folder"', "data.classes: Field required"),
        ('[data]\nsource = "image-folder"\nclasses = 3\nclass_names = ["a", "b"]', "must be 3 different names"),
        ('[data]\nsource = "image-folder"\nclasses = 2\nclass_names = ["a", "a"]', "must be 2 different names"),
        ('[data]\nsource = "cifar10"\nclasses = 9', "data.classes: Input should be 10"),
        ('[split]\nforget_by = "published"', "the split of casia-surf"),
        ("[split]\nforget_fraction = 0.4\nfinal = true", "leave less than a tenth"),
        ("[split]\nseed = -1", "split.seed"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        load_specification(write(tmp_path, text))


def test_the_time_of_a_run_can_be_a_share_of_retraining() -> None:
    spec = load_specification(SHIPPED[2])
    assert spec.with_time_budget(120.0).limits.run_wall_s == 24.0
    fixed = load_specification(SHIPPED[0])
    assert fixed.with_time_budget(120.0) == fixed
