"""A folder with exported oracles: read, refused with what is missing, and fit for one competition only."""

from pathlib import Path

import pytest

from lethe.evaluator.banks.exported_bank import ExportedBank, read_bank
from lethe.evaluator.banks.oracle_folder import IDENTITY, TABLE, FolderInvalid
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import TrainingSpec

BANK = BankIdentity(
    visible=ArtifactRef(key="data/one/visible-1.safetensors", sha256="1" * 64),
    evaluation=ArtifactRef(key="data/one/evaluation-1.safetensors", sha256="2" * 64),
    parts=("retain",),
    architecture="resnet-small",
    classes=10,
    recipe=TrainingSpec(),
    batch_size=64,
    torch="2.6.0",
)
OTHER = ArtifactRef(key="data/one/visible-3.safetensors", sha256="3" * 64)
OTHER_DATA = ArtifactRef(key="data/two/visible-3.safetensors", sha256="3" * 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / IDENTITY).write_text(BANK.model_dump_json(indent=1))
    (tmp_path / TABLE).write_text("file,seed\n00000.safetensors,7\n")
    (tmp_path / "00000.safetensors").touch()
    return tmp_path


def test_what_was_written_is_read_and_fits(folder: Path) -> None:
    found = read_bank(folder)
    assert found.identity == BANK
    assert [one.seed for one in found.models] == [7]
    found.require_same(BANK)
    found.require_same(BANK.model_copy(update={"torch": "2.9.1", "format": BANK.format + 1, "batch_size": 32}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"visible": OTHER}, ["split"]),
        ({"visible": OTHER_DATA}, ["data", "split"]),
        ({"architecture": "resnet18"}, ["architecture"]),
        ({"recipe": TrainingSpec(epochs=99)}, ["recipe"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_differs_is_named(changes: dict[str, object], named: list[str]) -> None:
    with pytest.raises(FolderInvalid, match=r"^models has the oracles of another competition") as refused:
        ExportedBank(Path("models"), BANK, ()).require_same(BANK.model_copy(update=changes))
    listed = str(refused.value).split("what differs: ")[1].split(". ")[0]
    assert [change.split(" ")[0] for change in listed.split(", ")] == named


def test_a_folder_without_identity_or_with_another_file_is_refused(folder: Path) -> None:
    (folder / IDENTITY).write_text('{"torch": "2.6.0"}')
    with pytest.raises(FolderInvalid, match=r"bank\.json does not say what a bank depends on: export it again"):
        read_bank(folder)
    (folder / IDENTITY).unlink()
    with pytest.raises(FolderInvalid, match=r"bank\.json is missing: name a folder that .* oracles export wrote"):
        read_bank(folder)
    with pytest.raises(FolderInvalid, match=r"bank\.json cannot be read: Not a directory"):
        read_bank(folder / TABLE)
