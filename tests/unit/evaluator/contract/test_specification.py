"""Specifications: the shipped ones load, secrets are drawn, and a source takes only the fields that it has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.networks import Network
from lethe.evaluator.contract.specification import AuditsSpec, CompetitionSpec
from lethe.evaluator.contract.specification_file import SHIPPED as FOLDER
from lethe.evaluator.contract.specification_file import SpecificationError, load_specification
from lethe.evaluator.data.splits import draw_splits

SHIPPED = sorted(FOLDER.glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.toml"
    path.write_text(f'slug = "c"\ntitle = "C"\n{text}')
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specifications_load(path: Path) -> None:
    spec = load_specification(path)
    assert spec.slug == path.stem
    assert load_specification(path.stem) == spec
    assert CompetitionSpec.model_validate_json(spec.model_dump_json()) == spec
    # These two are public and alike everywhere; every other competition keeps its forget set to its database.
    assert (spec.split.seed is None) == (spec.slug not in {"demo", "faces-tasks"})


def test_the_promised_ones_ship() -> None:
    assert [path.stem for path in SHIPPED] == ["cifar10", "demo", "digits", "faces-tasks", "surf"]


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
    assert (recipe.epochs, recipe.batch_size, recipe.class_weights) == (30, 64, "retain-and-forget")
    assert (recipe.flip, recipe.crop_padding) == (False, 0)


def test_cifar10_is_the_set_up_of_the_papers() -> None:
    spec = load_specification("cifar10")
    recipe = spec.training
    assert (spec.data.source, spec.model.architecture, spec.split.forget_by) == ("cifar10", "resnet18", "example")
    assert (recipe.optimizer, recipe.learning_rate, recipe.momentum, recipe.weight_decay) == ("sgd", 0.1, 0.9, 5e-4)
    assert (recipe.epochs, recipe.batch_size, recipe.flip, recipe.crop_padding) == (182, 256, True, 4)


def test_cifar10_forgets_a_ninth_of_what_is_trained_on() -> None:
    spec = load_specification("cifar10").with_seeds(lambda: 1)
    hidden = np.arange(60_000 - spec.practice.identities)
    split = draw_splits(hidden, hidden % 10, spec.split, batch_size=spec.evaluation.batch_size).public
    counts = {part: len(getattr(split, part)) for part in ("forget", "retain", "validation", "test", "retain_sample")}
    assert counts["forget"] == 5000
    assert (counts["test"], counts["retain_sample"]) == (7000, 1000)
    assert abs(counts["forget"] + counts["retain"] - 45_000) < 10
    assert abs(counts["validation"] - 4000) < 10


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
        ('[data]\nsource = "digits"\nidentities = 9', "data.identities: there is no such key here"),
        ('[data]\nsource = "casia-surf"\nseed = 9', "data.seed: there is no such key here"),
        ('[data]\nsource = "image-folder"', "data.classes: is missing"),
        ('[data]\nsource = "image-folder"\nclasses = 3\nclass_names = ["a", "b"]', "must be 3 different names"),
        ('[data]\nsource = "image-folder"\nclasses = 2\nclass_names = ["a", "a"]', "must be 2 different names"),
        ('[data]\nsource = "cifar10"\nclasses = 9', "data.classes: Input should be 10"),
        ('[split]\nforget_by = "published"', "the split of casia-surf"),
        (
            '[training]\nclass_weights = "all"',
            "class_weights: Input should be True, False or 'retain-and-forget', not 'all'",
        ),
        ("[split]\nforget_fraction = 0.4\nfinal = true", "leave less than a tenth"),
        ("[split]\nseed = -1", "split.seed"),
        ("[split]\nforget_by = 'class'\ndifficulty = 'high'", "difficulty chooses people or photographs"),
        ("[split]\nforget_class = 0", "forget_class needs forget_by = 'example'"),
        ("[split]\nforget_by = 'example'\nforget_class = 10", "must be one of the classes 0 to 9"),
        ("[split]\nforget_by = 'class'\nforget_class = 1\nfinal = true", "leave out forget_count and final"),
        ("[split]\nforget = 'forget.csv'\nfinal = true", "forget lists one forget set"),
        ('[model]\narchitecture = "vgg11"', "resnet18, torchvision:NAME or the name of an installed architecture, not"),
        ("[model]\noptions = { width = 2 }", "resnet-small takes no options"),
        ('[model]\narchitecture = "torchvision:vgg11"\noptions = { weights = "DEFAULT" }', "must leave out weights"),
        ('[model]\nmodule = "no.py"', r"model.module: cannot read .*no.py"),
        ('[model]\nmodule = "../no.py"', "'../no.py' must be a file beside the specification"),
        ('[model]\nmodule = "no.py"\narchitecture = "resnet18"', "leave out architecture and source"),
        ("[audits]\nruns = -1", "audits.runs"),
        ("[audits]\nepoch = 1", "audits.epoch: there is no such key here; did you mean epochs"),
        ("[evaluation]\nruns = 8\n[audits]\nruns = 9", "audits.runs must not exceed evaluation.runs, oracles and"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        load_specification(write(tmp_path, text))


def test_a_file_has_audits_unless_it_says_0_and_a_stored_competition_only_where_it_says_so(tmp_path: Path) -> None:
    assert load_specification(write(tmp_path, "")).audits == AuditsSpec()
    assert load_specification(write(tmp_path, "[audits]\nepochs = 1")).audits == AuditsSpec(epochs=1)
    none = load_specification(write(tmp_path, "[audits]\nruns = 0"))
    assert none.audits.runs == 0
    stored = none.model_dump(mode="json")
    del stored["audits"]
    assert CompetitionSpec.model_validate(stored).audits.runs == 0


def test_a_module_is_read_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def build(classes): ...\n")
    spec = load_specification(write(tmp_path, '[model]\nmodule = "model.py"\noptions = { width = 2 }'))
    assert spec.model.network == Network("model.py", {"width": 2}, "def build(classes): ...\n")
    assert CompetitionSpec.model_validate_json(spec.model_dump_json()) == spec
    (tmp_path / "model.py").write_text("def build(classes): pass\n")
    again = load_specification(write(tmp_path, '[model]\nmodule = "model.py"\noptions = { width = 2 }'))
    assert again.model.network.text != spec.model.network.text


def test_the_time_of_a_run_can_be_a_share_of_retraining() -> None:
    spec = load_specification("surf")
    assert spec.with_time_budget(120.0).limits.run_wall_s == 24.0
    fixed = load_specification("demo")
    assert fixed.with_time_budget(120.0) == fixed


def test_every_mistake_has_its_line_and_what_is_possible(tmp_path: Path) -> None:
    text = '''description = """
[split]
final = 3
"""
team_size = 0
[training]
optimizer = "adma"   # [data]
epoch = 3
[evaluation]
runs = 4
'''
    with pytest.raises(SpecificationError) as error:
        load_specification(write(tmp_path, text))
    path = tmp_path / "spec.toml"
    first, *mistakes = str(error.value).splitlines()
    assert first == f"{path} has 4 mistakes"
    assert mistakes[0].startswith(f"{path}:7: team_size: Input should be greater than or equal to 1, not 0")
    assert mistakes[1] == f"{path}:9: training.optimizer: Input should be 'adam', 'adamw' or 'sgd', not 'adma'"
    assert mistakes[2].startswith(
        f"{path}:10: training.epoch: there is no such key here; did you mean epochs? known are"
    )
    assert mistakes[3].startswith(f"{path}:12: evaluation.runs: ")


def test_a_table_that_lacks_something_is_named_by_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"spec\.toml:3: data\.classes: is missing"):
        load_specification(write(tmp_path, '[data]\nsource = "image-folder"'))


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([16, 64], "evaluation.looks[0] = 16: fewer than 32 runs tell nothing"),
        ([64, 64], "evaluation.looks[1] = 64: looks must ascend, but the one before it is at 64 runs"),
        ([64, 512], "evaluation.looks[1] = 512: a look must come before the last run; evaluation.runs is 512"),
        ([40], "evaluation.looks[0] = 40: it must be a multiple of 16"),
        ([48], "evaluation.looks[0] = 48: it must be a multiple of evaluation.chunk_runs, which is 32"),
    ],
)
def test_an_impossible_look_is_named_with_its_place(tmp_path: Path, looks: list[int], said: str) -> None:
    runs = "runs = 512\noracles = 512\nceiling_oracles = 512\nchunk_runs = 32"
    with pytest.raises(SpecificationError) as error:
        load_specification(write(tmp_path, f"[evaluation]\n{runs}\nlooks = {looks}\n"))
    assert said in str(error.value)


def test_looks_need_a_ceiling_of_as_many_oracles(tmp_path: Path) -> None:
    text = "[evaluation]\nruns = 128\noracles = 128\nceiling_oracles = 64\nlooks = [32, 64]\n"
    with pytest.raises(SpecificationError, match="as many oracles and ceiling_oracles as runs"):
        load_specification(write(tmp_path, text))
    assert load_specification(write(tmp_path, text.replace("= 64\n", "= 128\n", 1))).evaluation.looks == (32, 64)


TOP = {"slug": "x", "title": "X", "split": {"forget_fraction": 0.2}, "model": {"architecture": "resnet18"}}


def with_tasks(*tasks: dict[str, Any], **more: Any) -> CompetitionSpec:
    return CompetitionSpec.model_validate({**TOP, **more, "tasks": list(tasks)})


def test_tasks_have_from_the_top_what_they_leave_out() -> None:
    spec = with_tasks(
        {"name": "a"},
        {"name": "b", "split": {"forget_by": "example"}, "model": {"architecture": "resnet-small"}},
        {"name": "c", "data": {"source": "digits"}, "weight": 2},
    )
    assert [task.split.forget_fraction for task in spec.tasks] == [0.2, 0.2, 0.2]
    assert [task.model.architecture for task in spec.tasks] == ["resnet18", "resnet-small", "resnet18"]
    assert [task.data.source for task in spec.tasks] == ["synthetic-faces", "synthetic-faces", "digits"]
    assert CompetitionSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_the_top_is_the_first_task_and_equal_tables_get_one_seed() -> None:
    spec = with_tasks({"name": "a", "split": {"forget_by": "example"}}, {"name": "b"}, {"name": "c"})
    assert spec.split == spec.tasks[0].split
    seeds = iter(range(9))
    drawn = spec.with_seeds(lambda: next(seeds))
    first, second, third = (task.split.seed for task in drawn.tasks)
    assert drawn.split.seed == first != second == third
    assert drawn.data == drawn.tasks[0].data == drawn.tasks[2].data


@pytest.mark.parametrize(
    ("tasks", "more", "message"),
    [
        ([{"name": "a"}, {"name": "A"}], {}, "name of its own"),
        ([{"name": "a"}, {"name": "b", "split": {"final": True}}], {}, "split.final must be the same"),
        ([{"name": "a"}, {"name": "b", "split": {"forget_fraction": 0.7}}], {}, "task 'b': split: forget, validation"),
        ([{"name": "a"}], {"evaluation": {"runs": 64, "oracles": 64, "ceiling_oracles": 64, "looks": [32]}}, "looks"),
        ([{"name": "<b>"}], {}, "pattern"),
    ],
)
def test_impossible_tasks_are_refused(tasks: list[dict[str, Any]], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        with_tasks(*tasks, **more)


def test_a_mistake_in_a_task_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'slug = "x"\ntitle = "X"\n[[tasks]]\nname = "a"\n[[tasks]]\nname = "b"\n[tasks.split]\nforgot = 1\n'
    )
    with pytest.raises(SpecificationError, match=r"own\.toml:8: tasks\.1\.split\.forgot: there is no such key"):
        load_specification(path)
