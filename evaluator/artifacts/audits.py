"""Audit records as they are stored: beside the outputs of runs, and in the bank for oracles and the original."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.artifacts.store import ArtifactError, ArtifactMissing, ArtifactStore, ArtifactStoreAway
from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity, AuditRecord, audit_plan, audited_oracles
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec

Quantities = Mapping[AuditQuantity, NDArray[np.float64]]
ORIGINAL = "original"


@dataclass(frozen=True, eq=False)
class Audits:
    """The quantities of a submission's audited runs, of oracles and of the original: (n,) float64 for the n networks
    that have them, all finite, in the order of their places. A quantity that no network has is left out.

    `missing` says, for whom it concerns, why something is left out.
    """

    runs: Quantities
    oracles: Quantities
    original: Quantities
    missing: tuple[str, ...]


def load_audits(
    store: ArtifactStore, spec: CompetitionSpec, split: PreparedSplit, runs: Iterable[ArtifactRef]
) -> Audits:
    """Return the audits of an evaluation on `split`; `runs` are the references of its runs' records, as work items name
    them.

    Records that are missing or damaged are left out and named. Raises ArtifactStoreAway.
    """
    plan = audit_plan(spec, split)
    if plan is None:
        return Audits({}, {}, {}, ("the competition has no audits",))
    missing: list[str] = []
    of_runs = [_read(store, ref, "a run", missing) for ref in runs]
    if len(of_runs) < spec.audits.runs:
        missing.append(f"{spec.audits.runs - len(of_runs)} of {spec.audits.runs} runs: there is no record")
    of_oracles = [
        _read(store, bank_audit_key(plan, index), f"oracle {index}", missing) for index in audited_oracles(spec)
    ]
    original = _read(store, bank_audit_key(plan, ORIGINAL), "the original", missing)
    return Audits(_stacked(of_runs), _stacked(of_oracles), _stacked([original]), tuple(missing))


def bank_audit_key(plan: AuditPlan, network: int | str) -> str:
    """The key of the record of an oracle, by its index, or of the ORIGINAL."""
    name = network if isinstance(network, str) else f"{network:05d}"
    return f"banks/{plan.bank_digest}/audits/{plan.digest[:16]}/{name}.json"


def _read(store: ArtifactStore, artifact: ArtifactRef | str, whose: str, missing: list[str]) -> AuditRecord | None:
    """The record, or None; adds to `missing` what it lacks."""
    try:
        record = AuditRecord.model_validate_json(store.get(artifact))
    except ArtifactStoreAway:
        raise
    except ArtifactMissing:
        missing.append(f"{whose}: there is no record")
        return None
    except (ArtifactError, ValueError) as error:
        missing.append(f"{whose}: {str(error).splitlines()[0]}")
        return None
    if record.missing:
        missing.append(f"{whose} ({record.place}): {record.missing}")
    return record


def _stacked(records: Iterable[AuditRecord | None]) -> Quantities:
    present = sorted((one for one in records if one is not None), key=lambda one: one.place)
    found = {
        quantity: [one.quantities[quantity] for one in present if quantity in one.quantities]
        for quantity in AuditQuantity
    }
    return {quantity: np.array(values) for quantity, values in found.items() if values}
