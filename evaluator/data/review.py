"""Looks at a host's photographs before anything is trained on them, and warns of what makes a competition worthless."""

from dataclasses import dataclass

import numpy as np

from lethe.evaluator.contract.data_review import DataWarning
from lethe.evaluator.contract.prepared_competition import Counts
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.near_duplicates import near_duplicates
from lethe.evaluator.data.photographs import Photographs
from lethe.evaluator.data.sources.files import Files, Origin, by_reason, listed

FAR_FROM_SQUARE = 2.0


@dataclass(frozen=True)
class Review:
    """The photographs of a source as they were read, and what there is to say of them.

    `duplicates` are rows of the photographs. `splits` is empty, and `needed_bytes` None, if they could not be split.
    `model_s` are the seconds that training a model is expected to take on one core; None where that was not tried.
    """

    spec: CompetitionSpec
    photographs: Photographs
    origin: Origin | None
    skipped: tuple[str, ...]
    duplicates: tuple[tuple[int, int], ...]
    splits: dict[str, Counts]
    needed_bytes: int | None
    model_s: float | None = None

    @property
    def warnings(self) -> tuple[DataWarning, ...]:
        """What the host should look at again. Of sources without files only missing classes are told."""
        found = [*_classes(self)]
        if self.origin is not None:
            found += [*_people(self, self.origin), *_copies(self, self.origin), *_sizes(self, self.origin)]
        return tuple(found)


def review_data(
    spec: CompetitionSpec,
    files: Files,
    splits: dict[str, Counts],
    needed_bytes: int | None,
    model_s: float | None = None,
) -> Review:
    """Review what `files` has read; raises ValueError if that is nothing."""
    photographs, origin = files.photographs, files.origin
    if photographs is None:
        raise ValueError("nothing was read")
    duplicates = [] if origin is None else near_duplicates(photographs.images, photographs.identities)
    return Review(
        spec,
        photographs,
        origin,
        tuple(line for one in files.skipped for line in by_reason([one])),
        tuple(duplicates),
        splits,
        needed_bytes,
        model_s,
    )


def class_name(spec: CompetitionSpec, label: int) -> str:
    """The name of a class in the specification, or its number."""
    return spec.class_names[label] if spec.class_names else str(label)


def _classes(review: Review) -> list[DataWarning]:
    photographs = review.photographs
    people = [np.unique(photographs.identities[photographs.labels == label]) for label in range(photographs.classes)]
    names = [class_name(review.spec, label) for label in range(photographs.classes)]
    empty = [name for name, some in zip(names, people, strict=True) if not len(some)]
    single = [name for name, some in zip(names, people, strict=True) if len(some) == 1]
    found = []
    if empty:
        found.append(
            DataWarning(
                code="class_without_photographs",
                text=f"{len(empty)} of {len(names)} classes have no photographs: {listed(empty)}. Networks never learn "
                "them; lower data.classes, or add photographs",
                names=tuple(empty),
            )
        )
    if single and review.origin is not None:
        found.append(
            DataWarning(
                code="class_of_one_person",
                text=f"{len(single)} of {len(names)} classes have photographs of one person only: {listed(single)}. "
                "Such a class is in one part of the split alone; add people, or join classes",
                names=tuple(single),
            )
        )
    return found


def _people(review: Review, origin: Origin) -> list[DataWarning]:
    photographs = review.photographs
    people, first, counts = np.unique(photographs.identities, return_index=True, return_counts=True)
    if len(people) == len(photographs) and not origin.has_people:
        return []
    once = [origin.people[row] for row in first[counts == 1]]
    found = []
    if once:
        found.append(
            DataWarning(
                code="one_photograph",
                text=f"{len(once)} of {len(people)} people have one photograph each: {listed(once)}. A network "
                "remembers them less than others, so there is less to forget",
                names=tuple(once),
            )
        )
    pairs = np.unique(np.stack([photographs.identities, photographs.labels]), axis=1)
    classes = np.unique(pairs[0], return_counts=True)[1][counts > 1]  # of each person with several photographs
    if len(classes) and (classes == 1).all():
        found.append(
            DataWarning(
                code="classes_by_identity",
                text=f"classes by identity: each of {len(classes)} people with several photographs has one class on "
                "all of them. A network can tell the class of people whom it was trained on by knowing them, and is "
                "worse on others: that is what there is to forget, and test accuracy shows it",
            )
        )
    return found


def _copies(review: Review, origin: Origin) -> list[DataWarning]:
    if not review.duplicates:
        return []
    pairs = [" and ".join(f"{origin.names[row]} ({origin.people[row]})" for row in pair) for pair in review.duplicates]
    return [
        DataWarning(
            code="near_duplicates",
            text=f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of photographs are nearly the same under two "
            f"identities: {listed(pairs)}. If they are copies, one person is on both sides of the split: give both the "
            "same identity, or remove one",
            names=tuple(pairs),
        )
    ]


def _sizes(review: Review, origin: Origin) -> list[DataWarning]:
    shorter, longer, size = origin.sizes.min(axis=1), origin.sizes.max(axis=1), review.spec.data.image_size
    far = [origin.names[row] for row in np.flatnonzero(longer >= FAR_FROM_SQUARE * shorter)]
    small = [origin.names[row] for row in np.flatnonzero(shorter < size)]
    found = []
    if far:
        found.append(
            DataWarning(
                code="far_from_square",
                text=f"{len(far)} of {len(shorter)} photographs are twice as wide as high or more, or the reverse: "
                f"{listed(far)}. Only the middle square is used",
                names=tuple(far),
            )
        )
    if small:
        found.append(
            DataWarning(
                code="smaller_than_image_size",
                text=f"{len(small)} of {len(shorter)} photographs have fewer than {size} pixels on a side, and are "
                f"enlarged: {listed(small)}",
                names=tuple(small),
            )
        )
    return found
