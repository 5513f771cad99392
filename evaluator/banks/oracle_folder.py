"""A folder of trained models as it leaves a site and enters another: checkpoints, their table, the bank's identity."""

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lethe.evaluator.artifacts import ArtifactMissing, ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record, trained_indices
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.errors import EvaluatorError

TABLE = "oracles.csv"
IDENTITY = "bank.json"
COLUMNS = ("file", "seed")
SUFFIXES = (".safetensors", ".pt")
MOST_SEED = 2**63


class FolderInvalid(EvaluatorError, ValueError):
    """A folder of trained models cannot be read, or not be written; nothing was stored."""


@dataclass(frozen=True)
class GivenModel:
    """One row of the table: a file in the folder, and the seed that it was trained from."""

    path: Path
    seed: int


def read_folder(folder: Path) -> list[GivenModel]:
    """The models of the folder's table, in its order; raises FolderInvalid for the first thing that is wrong."""
    table = folder / TABLE
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise FolderInvalid(f"{table} must begin with the line {','.join(COLUMNS)}")
            given = [_model(folder, reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise FolderInvalid(
            f"{table} is missing: write a table with the columns {' and '.join(COLUMNS)}, one line for each model"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FolderInvalid(f"{table} cannot be read: {error}") from error
    if not given:
        raise FolderInvalid(f"{table} lists no model")
    for what, values in (("file", [one.path.name for one in given]), ("seed", [str(one.seed) for one in given])):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise FolderInvalid(f"{table} lists the {what} {twice} twice: each oracle is trained from its own seed")
    return given


def _model(folder: Path, line: int, row: dict[str, str | None]) -> GivenModel:
    where = f"line {line} of {folder / TABLE}"
    name, seed = row["file"] or "", row["seed"] or ""
    if len(row) != len(COLUMNS):
        raise FolderInvalid(f"{where} has more than a file and a seed")
    path = folder / name
    if Path(name).name != name or path.suffix not in SUFFIXES:
        raise FolderInvalid(f"{where}: {name!r} must be the name of a {' or '.join(SUFFIXES)} file in that folder")
    if not re.fullmatch("[0-9]{1,19}", seed) or int(seed) >= MOST_SEED:
        raise FolderInvalid(f"{where}: the seed of {name} must be a whole number from 0 to 2**63 - 1, not {seed!r}")
    if not path.is_file():
        raise FolderInvalid(f"{where}: there is no file {path}")
    return GivenModel(path, int(seed))


def write_folder(bank: BankIdentity, store: ArtifactStore, folder: Path) -> int:
    """Write the bank's identity, checkpoints and their table to a folder that is new or empty; how many there are.

    The table is written last. Raises FolderInvalid when there are no checkpoints or the folder cannot be used, and as
    `ArtifactStore.get` does.
    """
    records = [read_record(store, bank.digest, index) for index in trained_indices(store, bank.digest)]
    if not records:
        raise FolderInvalid("the bank has no trained oracles yet")
    absent = next((one for one in records if not store.exists(one.checkpoint)), None)
    if absent is not None:
        raise FolderInvalid(f"the checkpoint of oracle {absent.index} was pruned: there are only its outputs")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderInvalid(f"{folder} is not empty: name a new folder")
        (folder / IDENTITY).write_text(bank.model_dump_json(indent=1), encoding="utf-8")
        rows = [(f"{one.index:05d}.safetensors", one.seed) for one in records]
        for one, (name, _) in zip(records, rows, strict=True):
            store.fetch(one.checkpoint, folder / name)
        with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise FolderInvalid(f"{folder} cannot be written: {error}") from error
    except ArtifactMissing as error:
        raise FolderInvalid(f"a checkpoint was pruned meanwhile: {error}") from error
    return len(records)
