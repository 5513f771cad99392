"""How many batches there are in practice and in hidden runs."""

from dataclasses import dataclass

from lethe.evaluator.contract.batch_counts import batch_note


@dataclass(frozen=True)
class Images:
    retain: int
    forget: int
    validation: int


def test_both_numbers_where_they_differ() -> None:
    assert batch_note(Images(258, 64, 65), Images(684, 70, 129), 64) == (
        "Batches on practice data: retain 5, forget 1, validation 2; in hidden runs: retain 11, forget 2, validation 3."
    )


def test_nothing_where_they_agree_or_are_not_known() -> None:
    assert batch_note(Images(65, 1, 64), Images(128, 64, 2), 64) == ""
    assert batch_note(None, Images(65, 1, 64), 64) == ""
