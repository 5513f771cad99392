"""A bank as it was exported, for use in place of oracles that would be trained: whether it fits, and its models."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lethe.evaluator.banks.identity import differences
from lethe.evaluator.banks.oracle_folder import IDENTITY, FolderInvalid, GivenModel, read_folder
from lethe.evaluator.contract.bank import BankIdentity


@dataclass(frozen=True)
class ExportedBank:
    """The folder that `lethe admin oracles export` wrote, with the identity of the bank and its models in order."""

    folder: Path
    identity: BankIdentity
    models: tuple[GivenModel, ...]

    def require_same(self, wanted: BankIdentity) -> None:
        """Raise FolderInvalid, which names what differs, unless the oracles are of this data, split, network and
        recipe.

        torch, format and batch size may be others: outputs are computed anew from the checkpoints.
        """
        recomputed = {"torch": wanted.torch, "format": wanted.format, "batch_size": wanted.batch_size}
        changes = differences(self.identity.model_copy(update=recomputed), wanted)
        if changes:
            raise FolderInvalid(
                f"{self.folder} has the oracles of another competition; what differs: {', '.join(changes)}. Data, "
                "split (and so its seed), network and recipe must be those of the sweep's competition"
            )


def read_bank(folder: Path) -> ExportedBank:
    """The bank in the folder; raises FolderInvalid where something is missing or cannot be read."""
    path = folder / IDENTITY
    try:
        identity = BankIdentity.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FolderInvalid(
            f"{path} is missing: name a folder that this version's lethe admin oracles export wrote"
        ) from None
    except OSError as error:
        raise FolderInvalid(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise FolderInvalid(f"{path} does not say what a bank depends on: export it again") from error
    return ExportedBank(folder, identity, tuple(read_folder(folder)))
