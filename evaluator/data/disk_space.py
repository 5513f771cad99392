"""Checks that the artifact store has room for a competition before anything is trained."""

import shutil
from urllib.parse import unquote, urlsplit

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.outputs import COPIES
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.copies import COPIED
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.splits import Splits

FLOAT_BYTES = 4


def require_space(spec: CompetitionSpec, store: ArtifactStore, needed: int) -> None:
    """Raise DataError when the folder of the store has less free space than `needed` bytes; other stores are not
    checked.
    """
    parts = urlsplit(store.url)
    if parts.scheme != "file":
        return
    folder = unquote(parts.path)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder} has {free / 1e9:.1f} GB of free space; data and oracles of '{spec.slug}' need about "
            f"{needed / 1e9:.1f} GB. Make room, set another place, or lower evaluation.oracles"
        )


def needed_bytes(spec: CompetitionSpec, hidden: Photographs, splits: Splits, *, checkpoint: int) -> int:
    """The size of photographs and bundles, of checkpoints and outputs of both pools of each split, and of the practice
    oracles' checkpoints, beside which their outputs are small; a checkpoint has `checkpoint` bytes.
    """
    needed: int = hidden.images.nbytes
    needed += spec.practice.oracles * checkpoint
    if spec.split.difficulty:
        needed += 2 * hidden.images.nbytes + spec.split.pilot_models * checkpoint
    for split in (splits.public, splits.final):
        if split is None:
            continue
        copies = len(COPIES) * min(COPIED, len(split.forget))
        stored = len(split.forget) + len(split.test) + len(split.retain_sample) + copies
        models = spec.evaluation.originals + spec.evaluation.oracles + spec.evaluation.ceiling_oracles
        needed += models * (checkpoint + stored * spec.data.classes * FLOAT_BYTES) + 2 * hidden.images.nbytes
    return needed
