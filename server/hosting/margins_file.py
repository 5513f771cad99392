"""The arrays behind a score, as `lethe score` reads them."""

import io
from typing import Any

import numpy as np

from evaluator.metrics import Pool
from server.scoring.reference_set import Yardstick

ACCURACIES = ("retain", "test")


def margins_file(yardstick: Yardstick, unlearned: Pool) -> bytes:
    """An NPZ file from which `lethe score` computes the stored score again.

    `unlearned`, `retrained`, `ceiling`: margins (N, E) float64; `<pool>_retain_accuracy`, `<pool>_test_accuracy`: (N,);
    `identities`: (E,) pseudonyms of the people on the forget images.
    """
    arrays: dict[str, Any] = {"identities": yardstick.person_id}
    for name, pool in (("unlearned", unlearned), ("retrained", yardstick.retrained), ("ceiling", yardstick.others)):
        arrays[name] = pool.margins
        arrays |= {f"{name}_{kind}_accuracy": getattr(pool, f"{kind}_accuracy") for kind in ACCURACIES}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
