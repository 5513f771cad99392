"""The practice bundle: everything to practise on in one safetensors file, packed from artifacts and read again.

Its arrays are those of the practice data's visible bundle (`retain.images`, `forget.labels`, …), `test.…`,
`retain_sample.…` and the changed copies of the evaluation bundle, the practice model as `weights.<name>`, and the
outputs of practice oracles as `oracles.logits.<part>` (N, examples, classes) and `oracles.accuracy.<part>` (N,). The
metadata `lethe` is a `PracticeFacts` as JSON. Equal competitions give equal bytes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from lethe.evaluator.artifacts.outputs import OutputsInvalid, StackedOutputs, pack_arrays, unpack_arrays
from lethe.evaluator.contract.batch_counts import ImageCounts, VisibleCounts
from lethe.evaluator.contract.hidden_estimates import HiddenScale, hidden_scale
from lethe.evaluator.contract.practice import PRACTICE_FORMAT, PracticeFacts
from lethe.evaluator.errors import EvaluatorError

Arrays = dict[str, NDArray[np.generic]]

VISIBLE = ("retain", "forget", "validation")
SHARED = ("forget", "validation")
"""Parts of the evaluation bundle that are in the visible one, too, row by row."""
OF_SHARED = ("images", "labels", "person_id")
WEIGHTS, ORACLES = "weights.", "oracles."


class BundleInvalid(EvaluatorError, ValueError):
    """The file is not a practice bundle that this version reads; the message says what to do."""


@dataclass(frozen=True)
class PracticeBundle:
    """A practice bundle on this machine; arrays are read when they are asked for.

    `hidden` are numbers of images that the competition's page tells of its hidden data; None where they are not known.
    """

    path: Path
    facts: PracticeFacts
    hidden: VisibleCounts | None = None

    def visible(self) -> Arrays:
        """The arrays of the visible bundle, as a guest sees them."""
        return self._arrays(lambda name: name.partition(".")[0] in VISIBLE)

    def evaluation(self) -> Arrays:
        """The arrays of the evaluation bundle."""
        own = self._arrays(
            lambda name: not name.startswith((WEIGHTS, ORACLES)) and name.partition(".")[0] not in VISIBLE
        )
        names = {f"{part}.{kind}" for part in SHARED for kind in OF_SHARED}
        return own | self._arrays(names.__contains__)

    def weights(self) -> Arrays:
        """The state dict of the practice model."""
        return _without(WEIGHTS, self._arrays(lambda name: name.startswith(WEIGHTS)))

    def oracles(self) -> StackedOutputs | None:
        """The outputs of the practice oracles; None in a bundle without. Raises BundleInvalid when they are damaged."""
        if not self.facts.oracles:
            return None
        try:
            return unpack_arrays(_without(ORACLES, self._arrays(lambda name: name.startswith(ORACLES))))
        except OutputsInvalid as error:
            raise BundleInvalid(f"{self.path} is damaged: {error}. Delete it and download it again") from error

    def images(self) -> dict[str, int]:
        """The number of images of each of the four data sets."""
        with safe_open(self.path, framework="numpy") as file:
            return {part: file.get_slice(f"{part}.labels").get_shape()[0] for part in (*VISIBLE, "test")}

    def hidden_scale(self) -> HiddenScale | None:
        """Return how hidden runs differ from runs on this bundle; None where that is not known."""
        if self.hidden is None:
            return None
        with safe_open(self.path, framework="numpy") as file:
            image_size = file.get_slice("retain.images").get_shape()[-1]
        images = self.images()
        counts = ImageCounts(**{part: images[part] for part in VISIBLE})
        wall_limit_s = self.facts.limits.run_wall_s
        return hidden_scale(counts, self.hidden, image_size=image_size, wall_limit_s=wall_limit_s)

    def _arrays(self, wanted: Callable[[str], bool]) -> Arrays:
        with safe_open(self.path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118 - no mapping


def write_bundle(
    facts: PracticeFacts, *, visible: bytes, evaluation: bytes, original: bytes, oracles: StackedOutputs | None
) -> bytes:
    """The bundle as safetensors bytes, from the stored artifacts of a competition's practice data.

    `facts.oracles` becomes the number of `oracles`.
    """
    shown, trusted = load(visible), load(evaluation)
    arrays: Arrays = {**shown, **{name: value for name, value in trusted.items() if not _is_shared(name)}}
    arrays |= {f"{WEIGHTS}{name}": value for name, value in load(original).items()}
    if oracles is not None:
        arrays |= {f"{ORACLES}{name}": value for name, value in pack_arrays(oracles).items()}
    document = facts.model_copy(update={"oracles": 0 if oracles is None else len(oracles)})
    return bytes(save(arrays, metadata={"lethe": document.model_dump_json()}))


def open_bundle(path: Path) -> PracticeBundle:
    """The bundle in the file at `path`. Raises BundleInvalid for any other file, and for a bundle of another format."""
    again = "Delete it and download it again: lethe practice SLUG"
    try:
        with safe_open(path, framework="numpy") as file:
            document, names = json.loads((file.metadata() or {})["lethe"]), frozenset(file.keys())
        made = document["format"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BundleInvalid(f"{path} is not a whole practice bundle ({error}). {again}") from error
    if made != PRACTICE_FORMAT:
        raise BundleInvalid(
            f"{path} is a practice bundle of format {made}, and this version of Lethe reads format {PRACTICE_FORMAT}: "
            "install the server's version of Lethe"
        )
    try:
        facts = PracticeFacts.model_validate(document)
    except ValidationError as error:
        raise BundleInvalid(f"{path} is not a practice bundle of this version of Lethe. {again}") from error
    needed = {f"{part}.{kind}" for part in (*VISIBLE, "test", "retain_sample") for kind in OF_SHARED}
    if missing := needed - names:
        raise BundleInvalid(f"{path} lacks {min(missing)}. {again}")
    return PracticeBundle(path, facts)


def _is_shared(name: str) -> bool:
    part, _, kind = name.partition(".")
    return part in SHARED and kind in OF_SHARED


def _without(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in arrays.items()}
