"""What the results of a sweep depend on, as a document beside them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lethe import __version__
from lethe.evaluator.artifacts.oracles import count_imported
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.bench.runs import Bench, identity_of, run_seed
from lethe.evaluator.bench.sweep import Method, Sweep
from lethe.evaluator.environment import environment
from lethe.evaluator.measures.registry import MEASURES_VERSION
from lethe.evaluator.metrics import METRIC_VERSION


def provenance_of(
    bench: Bench, sweep: Sweep, methods: Sequence[Method], reference: str | None, started_at: datetime
) -> dict[str, Any]:
    """Return versions, rule, seeds, digests of data, bank and sources, and the times, as JSON has them."""
    split = bench.split
    return {
        "lethe": __version__,
        "metric_version": METRIC_VERSION,
        "measures_version": MEASURES_VERSION,
        "environment": environment(),
        "rule": bench.spec.metric.model_dump(mode="json"),
        "specification": bench.spec.model_dump(mode="json"),
        "sweep": sweep.model_dump(mode="json"),
        "reference": reference,
        "runs": bench.runs,
        "oracles": bench.runs,
        "imported_oracles": count_imported(bench.store, split.bank_digest, range(2 * bench.runs)),
        "seed": bench.seed,
        "run_seeds": [run_seed(bench.seed, index) for index in range(bench.runs)],
        "bank_digest": split.bank_digest,
        "data_sha256": {name: getattr(split, name).sha256 for name in ("visible", "original", "evaluation")},
        "methods": [
            {
                "method": one.name,
                "constants": one.constants,
                "source_sha256": sha256_hex(one.source),
                "runs_stored_as": str(identity_of(bench, one)),
            }
            for one in methods
        ],
        "started_at": started_at.isoformat(timespec="seconds"),
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def row_key(bench: Bench, made_from: str) -> str:
    """Return the digest of all that decides the values of a row, `made_from` being its runs or its part of the bank."""
    metric = bench.spec.metric.model_dump_json()
    parts = (made_from, bench.split.bank_digest, bench.runs, metric, METRIC_VERSION, MEASURES_VERSION)
    return sha256_hex(repr(parts).encode())
