"""The host's trained models: into a competition's bank from a folder, and out of it into one."""

from pathlib import Path

from lethe.evaluator.artifacts.oracles import trained_indices
from lethe.evaluator.contract.parts import task_splits
from lethe.server.audit_log.events import record
from lethe.server.competitions import service
from lethe.server.context import Context
from lethe.server.errors import Conflict, InvalidValue
from lethe.server.hosting.oracles import PRACTICE, Bank, ReportProgress, competition_banks, require_unchanged
from lethe.server.queue import training_orders, training_queries


class ModelsInTraining(Conflict):
    """Models of the bank are being trained."""

    code = "models_in_training"


class BadOracleFolder(Conflict):
    """A folder of trained models was refused, or cannot be written."""

    code = "bad_oracle_folder"


def import_oracles(
    context: Context, slug: str, folder: Path, *, split: str, jobs: int | None, progress: ReportProgress
) -> tuple[int, int]:
    """Import the folder's models as the first oracles of the split's bank; how many were imported, and are missing.

    A refused folder leaves nothing behind. Raises InvalidValue for a split without a bank, BankChanged,
    ModelsInTraining, and BadOracleFolder, which names the file.
    """
    from lethe.evaluator.banks.importing import import_models
    from lethe.evaluator.banks.oracle_folder import FolderInvalid, read_folder

    bank = _bank(context, slug, split)
    require_unchanged(context, slug, [bank])
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
        spec, prepared = service.specification(competition), service.prepared_competition(competition)
        if training_queries.orders_in_hand(session, bank.digest):
            raise ModelsInTraining(f"oracles are being trained: wait, or run lethe admin oracles recall {slug} first")
    try:
        given = read_folder(folder)
        count = import_models(
            given,
            bank.identity,
            task_splits(spec, prepared)[split].split,
            context.artifacts,
            most=bank.wanted,
            checks_margins=not bank.spec.split.forget,
            jobs=jobs,
            progress=progress,
        )
    except FolderInvalid as error:
        raise BadOracleFolder(str(error)) from error
    trained = trained_indices(context.artifacts, bank.digest)
    with context.database.write() as session:
        training_orders.place(session, bank.identity, len(given), trained)
        competition = service.get_competition(session, slug, drafts=True)
        record(session, "oracles.import", slug, competition=competition, split=split, count=count)
    return count, bank.wanted - sum(index < bank.wanted for index in trained)


def export_oracles(context: Context, slug: str, folder: Path, *, split: str) -> int:
    """Write the checkpoints of the split's bank and their table to a new folder; how many there are.

    Raises InvalidValue for a split without a bank, and BadOracleFolder.
    """
    from lethe.evaluator.banks.oracle_folder import FolderInvalid, write_folder

    try:
        count = write_folder(_bank(context, slug, split).identity, context.artifacts, folder)
    except FolderInvalid as error:
        raise BadOracleFolder(str(error)) from error
    with context.database.write() as session:
        competition = service.get_competition(session, slug, drafts=True)
        record(session, "oracles.export", slug, competition=competition, split=split, count=count)
    return count


def _bank(context: Context, slug: str, split: str) -> Bank:
    banks = {bank.split: bank for bank in competition_banks(context, slug) if bank.split != PRACTICE}
    if split not in banks:
        raise InvalidValue(f"{slug} has no {split} bank; it has: {', '.join(banks)}")
    return banks[split]
