"""Trained models leave one site as checkpoints with a table, and enter another: with the same scores, or not at all."""

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import load_pool, read_identity, read_record, trained_indices
from lethe.evaluator.artifacts.outputs import Outputs
from lethe.evaluator.banks.exported_bank import read_bank
from lethe.evaluator.banks.importing import ImportTask, read_model, require_oracle
from lethe.evaluator.banks.oracle_folder import TABLE, FolderInvalid, read_folder
from lethe.evaluator.banks.seeding import FIRST_ORACLES
from lethe.evaluator.banks.verification import verify_bank
from lethe.evaluator.bench.compare import prepare_bench
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    PracticeSpec,
    SplitSpec,
    TrainingSpec,
)
from lethe.evaluator.data.sources import Files
from lethe.evaluator.preparation import prepare
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.errors import InvalidValue
from lethe.server.hosting import oracle_files, oracles
from lethe.server.hosting.calibration import calibrate
from lethe.server.settings import Settings
from tests.commands import run_lethe

pytestmark = pytest.mark.slow

SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=SyntheticFacesSpec(seed=0, identities=16, images_per_identity=5, image_size=16, classes=2),
    split=SplitSpec(seed=0, retain_sample=8),
    training=TrainingSpec(epochs=2, batch_size=16),
    practice=PracticeSpec(identities=8, oracles=0),
    evaluation=EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8),
)
COUNT = 16


@dataclass
class Host:
    """A site with the created competition."""

    context: Context
    prepared: PreparedCompetition

    @property
    def store(self) -> ArtifactStore:
        return self.context.artifacts

    @property
    def bank(self) -> str:
        return self.prepared.public.bank_digest

    def command(self, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
        settings = self.context.settings
        database = settings.database_url
        assert database is not None
        where = {
            "LETHE_DATABASE_URL": database.get_secret_value(),
            "LETHE_ARTIFACTS_URL": (settings.home.parent / "store").as_uri(),
        }
        options = ("--home", str(settings.home), "--json")
        return run_lethe(
            "admin", "oracles", name, SPEC.slug, str(folder), *options, environment=os.environ | where, check=False
        )

    def import_from(self, folder: Path, **changes: Any) -> tuple[int, int]:
        given: dict[str, Any] = {"split": "public", "jobs": 1, "progress": lambda _: None} | changes
        return oracle_files.import_oracles(self.context, SPEC.slug, folder, **given)


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedCompetition, Path]:
    folder = tmp_path_factory.mktemp("created")
    return prepare(SPEC, open_store(folder.as_uri()), jobs=2), folder


def make_host(created: tuple[PreparedCompetition, Path], folder: Path) -> Host:
    prepared, source = created
    shutil.copytree(source, folder / "store")
    settings = Settings(
        home=folder / "home",
        database_url=f"sqlite:///{folder / 'site.db'}",
        artifacts_url=(folder / "store").as_uri(),
    )
    context = create_context(settings)
    migrate(context.database)
    with context.database.write() as session:
        service.create(session, SPEC, prepared)
    return Host(context, prepared)


@pytest.fixture
def host(created: tuple[PreparedCompetition, Path], tmp_path: Path) -> Host:
    return make_host(created, tmp_path)


@pytest.fixture(scope="module")
def seeded(created: tuple[PreparedCompetition, Path], tmp_path_factory: pytest.TempPathFactory) -> Host:
    made = make_host(created, tmp_path_factory.mktemp("seeded"))
    oracles.seed(made.context, SPEC.slug, count=None, jobs=2, distributed=False, progress=lambda _: None)
    return made


@pytest.fixture(scope="module")
def exported(seeded: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "oracles"
    assert oracle_files.export_oracles(seeded.context, SPEC.slug, folder, split="public") == COUNT
    return folder


def write_table(folder: Path, *rows: tuple[str, object]) -> None:
    lines = ["file,seed", *(f"{name},{seed}" for name, seed in rows)]
    (folder / TABLE).write_text("\n".join(lines) + "\n")


def test_what_was_exported_gives_the_same_scores_on_another_site(seeded: Host, exported: Path, host: Host) -> None:
    # The oracles that `create` trained here are the same to the bit, so they stay.
    assert host.import_from(exported) == (COUNT - FIRST_ORACLES, 0)
    first, second = (load_pool(one.store, one.bank, range(COUNT)) for one in (seeded, host))
    for part, logits in first.logits.items():
        np.testing.assert_array_equal(logits, second.logits[part])
    there, here = (calibrate(one.context, SPEC.slug) for one in (seeded, host))
    figures = ("reference", "score", "low", "high", "forgetting_quality")
    assert [[row[key] for key in figures] for row in there] == [[row[key] for key in figures] for row in here]
    assert oracles.verify(host.context, SPEC.slug, sample=2, jobs=1, progress=lambda _: None)["public"].sound
    assert host.import_from(exported) == (0, 0)
    done = oracles.seed(host.context, SPEC.slug, count=None, jobs=1, distributed=False, progress=lambda _: None)
    assert (done.trained, done.here) == (COUNT, 0)


def test_models_of_other_seeds_are_marked_and_verified(exported: Path, host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    torch.save(load_file(exported / "00005.safetensors"), folder / "first.pt")
    shutil.copy(exported / "00006.safetensors", folder / "second.safetensors")
    write_table(folder, ("first.pt", 11), ("second.safetensors", 12))
    done = host.command("import", folder)
    assert (done.returncode, json.loads(done.stdout)["missing"]) == (0, COUNT - 2), done.stderr
    records = [read_record(host.store, host.bank, index) for index in trained_indices(host.store, host.bank)]
    assert [(one.seed, one.imported) for one in records] == [(11, True), (12, True)]
    assert host.store.get(records[0].checkpoint) == (exported / "00005.safetensors").read_bytes()
    bank = read_identity(host.store, host.bank)
    found = verify_bank(bank, host.store, sample=2, jobs=1, progress=lambda _: None)
    assert (found.sound, found.identical) == (True, 2)
    assert json.loads(host.command("export", tmp_path / "out").stdout)["oracles"] == 2
    assert (tmp_path / "out" / TABLE).read_text() == "file,seed\n00000.safetensors,11\n00001.safetensors,12\n"
    write_table(folder, ("first.pt", 13))
    refused = host.command("import", folder)
    assert refused.returncode != 0
    assert "first.pt: the bank already has another oracle 0" in " ".join(refused.stderr.split())


def test_a_refused_import_leaves_nothing_behind(exported: Path, host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(exported, folder)
    before = host.store.list("")
    (folder / "original.safetensors").write_bytes(host.store.get(host.prepared.public.original))
    write_table(folder, ("00000.safetensors", 1), ("original.safetensors", 2))
    with pytest.raises(oracle_files.BadOracleFolder, match=r"original\.safetensors is the original model"):
        host.import_from(folder)
    shutil.copy(folder / "00000.safetensors", folder / "again.safetensors")
    write_table(folder, ("00000.safetensors", 1), ("again.safetensors", 2))
    with pytest.raises(
        oracle_files.BadOracleFolder, match=r"again\.safetensors is the same model as 00000\.safetensors"
    ):
        host.import_from(folder)
    write_table(folder, *((f"{index:05d}.safetensors", index) for index in range(COUNT)), ("again.safetensors", 99))
    with pytest.raises(oracle_files.BadOracleFolder, match="has 17 models, and the bank has room for 16"):
        host.import_from(folder)
    with pytest.raises(InvalidValue, match="tiny has no final bank; it has: public"):
        host.import_from(folder, split="final")
    assert host.store.list("") == before


def test_oracles_of_a_seeded_bank_are_never_replaced(seeded: Host, exported: Path, tmp_path: Path) -> None:
    shutil.copy(exported / "00003.safetensors", tmp_path / "other.safetensors")
    write_table(tmp_path, ("other.safetensors", 1))
    before = seeded.store.list("")
    with pytest.raises(
        oracle_files.BadOracleFolder, match=r"other\.safetensors: the bank already has another oracle 0"
    ):
        seeded.import_from(tmp_path)
    assert seeded.store.list("") == before


class Executed:
    """What a pickle with code would do."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def write_code(path: Path, _: dict[str, torch.Tensor]) -> None:
    path.write_bytes(pickle.dumps(Executed(path.with_name("executed"))))


def write_code_as_torch_does(path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state | {"code": Executed(path.with_name("executed"))}, path)


def truncate(path: Path, state: dict[str, torch.Tensor]) -> None:
    (torch.save if path.suffix == ".pt" else lambda tensors, file: save_file(tensors, file))(state, path)
    path.write_bytes(path.read_bytes()[:-1000])


def changed(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path, dict[str, torch.Tensor]], None]:
    def write(path: Path, state: dict[str, torch.Tensor]) -> None:
        change(state)
        torch.save(state, path)

    return write


@pytest.mark.parametrize(
    ("name", "write", "fault"),
    [
        ("code.pt", write_code, "with code, which is not executed"),
        ("code2.pt", write_code_as_torch_does, "with code, which is not executed"),
        ("cut.pt", truncate, "not a whole file of tensors"),
        ("cut.safetensors", truncate, "not a whole safetensors file"),
        ("list.pt", lambda path, _: torch.save([1, 2], path), "not a state dict"),
        ("shape.pt", changed(lambda state: state.update({"fc.weight": torch.zeros(3, 2)})), "fc.weight is (3, 2)"),
        ("half.pt", changed(lambda state: state.update({"fc.bias": state["fc.bias"].half()})), "torch.float16, and in"),
        ("nan.pt", changed(lambda state: state["fc.bias"].fill_(float("nan"))), "fc.bias has numbers that are not"),
        ("less.pt", changed(lambda state: state.pop("fc.bias")), "it lacks fc.bias"),
        ("more.pt", changed(lambda state: state.update({"x": torch.zeros(1)})), "it has x"),
    ],
)
def test_files_that_hold_no_model_of_the_network_are_refused(
    created: tuple[PreparedCompetition, Path], tmp_path: Path, name: str, write: Callable[..., None], fault: str
) -> None:
    prepared, source = created
    store = open_store(source.as_uri())
    bank = read_identity(store, prepared.public.bank_digest)
    original = store.path_of(prepared.public.original)
    evaluation = store.path_of(bank.evaluation)
    assert original is not None
    assert evaluation is not None
    write(tmp_path / name, load_file(original))
    found = read_model(
        ImportTask(
            file=tmp_path / name,
            checkpoint=tmp_path / "checkpoint",
            evaluation=evaluation,
            architecture=bank.architecture,
            classes=bank.classes,
            batch_size=bank.batch_size,
        )
    )
    assert fault in found.fault
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, r"oracles\.csv is missing"),
        ("", "must begin with the line file,seed"),
        ("file;seed\na.pt;1\n", "must begin with the line file,seed"),
        ("file,seed\n", "lists no model"),
        ("file,seed\na.pt,one\n", r"line 2 of .*the seed of a\.pt must be a whole number from 0.*not 'one'"),
        ("file,seed\na.pt,-1\n", "must be a whole number"),
        ("file,seed\na.pt,9223372036854775808\n", "must be a whole number"),
        ("file,seed\na.pt\n", "must be a whole number"),
        ("file,seed\na.pt,1,2\n", "more than a file and a seed"),
        ("file,seed\n../a.pt,1\n", "must be the name of a"),
        ("file,seed\na.pkl,1\n", "must be the name of a"),
        ("file,seed\nb.pt,1\n", "there is no file"),
        ("file,seed\na.pt,1\na.pt,2\n", r"lists the file a\.pt twice"),
        ("file,seed\na.pt,1\nc.pt,1\n", "lists the seed 1 twice"),
    ],
)
def test_tables_are_read_or_refused_with_the_line(tmp_path: Path, table: str | None, message: str) -> None:
    for name in ("a.pt", "c.pt", "a.pkl"):
        (tmp_path / name).touch()
    if table is not None:
        (tmp_path / TABLE).write_text(table)
    with pytest.raises(FolderInvalid, match=message):
        read_folder(tmp_path)


def outputs(forget: float, retain: float) -> Outputs:
    """Outputs with two classes whose margins on the test set are spread around 1, and on the forget set around it."""

    def logits(centre: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        spread = np.linspace(-1, 1, 40, dtype=np.float32) + np.float32(centre)
        return np.stack([spread, np.zeros(40, np.float32)], axis=1)

    accuracy = {"retain": retain, "forget": 0.5, "validation": 0.5, "test": 0.5}
    return Outputs(logits={"forget": logits(forget), "test": logits(1), "retain": logits(3)}, accuracy=accuracy)


def test_models_that_saw_the_forget_set_or_were_trained_otherwise_are_named() -> None:
    people = np.arange(40)
    evaluation = {f"{part}.labels": np.zeros(40, np.int64) for part in ("forget", "test", "retain_sample")}
    evaluation |= {f"{part}.person_id": people for part in ("forget", "test")}
    original = outputs(3, retain=0.95)
    require_oracle(Path("a.pt"), outputs(1.2, retain=0.9), original, evaluation, checks_margins=True)
    require_oracle(Path("a.pt"), outputs(3, retain=0.9), original, evaluation, checks_margins=False)
    with pytest.raises(FolderInvalid, match=r"a\.pt: its margins on the forget set are above .* in 100% of pairs"):
        require_oracle(Path("a.pt"), outputs(3, retain=0.9), original, evaluation, checks_margins=True)
    with pytest.raises(FolderInvalid, match=r"a\.pt: its retain accuracy is 0\.500 and the original's 0\.950"):
        require_oracle(Path("a.pt"), outputs(1, retain=0.5), original, evaluation, checks_margins=True)


def test_a_comparison_uses_what_was_exported(seeded: Host, exported: Path, host: Host) -> None:
    stages: list[str] = []

    def compare(spec: CompetitionSpec) -> None:
        prepare_bench(
            spec, host.store, 0, files=Files(), jobs=1, exported=read_bank(exported),
            progress=lambda one: stages.append(one.stage) if one.fresh else None,
        )  # fmt: skip

    for changes, name in (
        ({"training": SPEC.training.model_copy(update={"epochs": 3})}, "recipe"),
        ({"split": SPEC.split.model_copy(update={"seed": 1})}, "split"),
    ):
        with pytest.raises(FolderInvalid, match=f"another competition; what differs: {name} "):
            compare(SPEC.model_copy(update=changes))
    assert "models" not in stages, "refused before anything was trained"
    compare(SPEC)
    assert {"models", "oracles"}.isdisjoint(stages), "nothing was trained"
    first, second = (load_pool(one.store, one.bank, range(COUNT)) for one in (seeded, host))
    np.testing.assert_array_equal(first.logits["forget"], second.logits["forget"])
    assert sum(read_record(host.store, host.bank, index).imported for index in range(COUNT)) == COUNT - FIRST_ORACLES


def test_an_export_needs_a_new_folder_and_checkpoints(seeded: Host, exported: Path, host: Host, tmp_path: Path) -> None:
    with pytest.raises(oracle_files.BadOracleFolder, match="is not empty: name a new folder"):
        oracle_files.export_oracles(seeded.context, SPEC.slug, exported, split="public")
    oracles.prune(host.context, SPEC.slug)
    with pytest.raises(oracle_files.BadOracleFolder, match=r"the checkpoint of oracle .* was pruned"):
        oracle_files.export_oracles(host.context, SPEC.slug, tmp_path / "new", split="public")
    assert not (tmp_path / "new").exists()
