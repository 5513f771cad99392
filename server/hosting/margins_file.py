"""The arrays behind a score, as `lethe score` reads them."""

import io
from typing import Any

import numpy as np

from lethe.evaluator.metrics import Pool
from lethe.evaluator.metrics.pools_file import ACCURACIES
from lethe.evaluator.scoring.reference_set import ReferenceSet


def margins_file(reference_set: ReferenceSet, unlearned: Pool) -> bytes:
    """Return an NPZ file from which `lethe score` computes the stored score again.

    `unlearned`, `retrained`, `ceiling`: margins (N, E) float64; `<pool>_retain_accuracy`, `<pool>_test_accuracy`: (N,);
    `identities`: (E,) pseudonyms of the people on the forget images.
    """
    arrays: dict[str, Any] = {"identities": reference_set.person_id}
    for name, pool in (
        ("unlearned", unlearned),
        ("retrained", reference_set.retrained),
        ("ceiling", reference_set.others),
    ):
        arrays[name] = pool.margins
        arrays |= {f"{name}_{kind}": getattr(pool, kind) for kind in ACCURACIES}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
