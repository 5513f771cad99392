"""Where photographs come from: one registry, so that a new source is one file and one line."""

from collections.abc import Callable

import numpy as np

from evaluator.contract.specification import DataSpec, PracticeSpec
from evaluator.data.faces import synthetic_faces
from evaluator.data.photographs import Photographs

Source = Callable[[DataSpec, int, np.random.SeedSequence], Photographs]

SOURCES: dict[str, Source] = {"synthetic-faces": synthetic_faces}

# The second word of the seeds keeps hidden and practice people apart even when both specifications name one seed.
_HIDDEN, _PRACTICE = 0, 1


def hidden_photographs(data: DataSpec) -> Photographs:
    """The photographs of the competition, made or read as the specification says; the same ones every time."""
    return SOURCES[data.source](data, data.identities, np.random.SeedSequence([data.seed, _HIDDEN]))


def practice_photographs(data: DataSpec, practice: PracticeSpec) -> Photographs:
    """Photographs of other people from the same source, for participants to practise on."""
    return SOURCES[data.source](data, practice.identities, np.random.SeedSequence([practice.seed, _PRACTICE]))
