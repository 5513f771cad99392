"""The networks that are trained: with shares of the forget set, and controls that know nothing of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from safetensors.numpy import load

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import pack
from lethe.evaluator.data.splits import Rows

SHARES = (0.05, 0.10, 0.25, 0.50)
SEED = 0
"""Of the order in which forget images, or people, become known."""

Kind = Literal["oracles", "photographs", "people", "control"]


@dataclass(frozen=True)
class Level:
    """Networks that know the same, number `first` and later of a bank; `share` is what was asked for, 0 to 1."""

    title: str
    kind: Kind
    share: float
    bank: BankIdentity
    first: int = 0


def known_rows(person_id: Rows, share: float, kind: Kind) -> Rows:
    """The rows of the forget set that a level knows, ascending: `share` of its photographs, or all of so many people.

    `person_id`: (E,). At least one photograph or person, in an order that is always the same: the rows of a larger
    share contain those of a smaller one.
    """
    member = person_id if kind == "people" else np.arange(len(person_id))
    order = np.random.default_rng(SEED).permutation(np.unique(member))
    return np.flatnonzero(np.isin(member, order[: max(1, round(share * len(order)))]))


def levels_of(
    spec: CompetitionSpec, split: PreparedSplit, store: ArtifactStore, *, models: int, shares: Sequence[float] = SHARES
) -> list[Level]:
    """The levels of a split, with their training sets stored: first the one of share 0, last the two controls.

    Share 0 is the split's own bank of oracles behind its first `models` networks, which are what pools are measured
    against. A share that rounds to the same people as a smaller one is left out, and so are people where each has one
    photograph only.
    """
    visible = load(store.get(split.visible))
    person_id = visible["forget.person_id"]
    people = len(np.unique(person_id))
    oracles = bank_identity(spec, split.visible, split.evaluation)
    found = [Level("0%", "oracles", 0.0, oracles, first=models)]
    kinds: tuple[Kind, ...] = ("photographs",) if people == len(person_id) else ("photographs", "people")
    for kind in kinds:
        before: Rows = np.zeros(0, np.int64)
        for share in shares:
            rows = known_rows(person_id, share, kind)
            if np.array_equal(rows, before):
                continue
            before = rows
            known = {f"known.{name}": visible[f"forget.{name}"][rows] for name in ("images", "labels")}
            stem = f"{split.visible.key.rsplit('/', 1)[0]}/visible-with-known"
            ref = store.put_named_by_digest(stem, pack(visible | known), ".safetensors")
            count = len(np.unique(person_id[rows]))
            title = f"{share:.0%} of photographs" if kind == "photographs" else f"{count} of {people} people"
            found.append(Level(title, kind, share, bank_identity(spec, ref, split.evaluation, ("retain", "known"))))
    recipe = spec.training
    controls = {
        "0%, half the epochs": recipe.model_copy(update={"epochs": max(1, recipe.epochs // 2)}),
        "0%, a third of the rate": recipe.model_copy(update={"learning_rate": recipe.learning_rate / 3}),
    }
    for title, other in controls.items():
        bank = bank_identity(spec.model_copy(update={"training": other}), split.visible, split.evaluation)
        found.append(Level(title, "control", 0.0, bank))
    return found
