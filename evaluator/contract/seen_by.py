"""Who is shown what a competition's specification says."""

from enum import StrEnum


class SeenBy(StrEnum):
    """Stands in the `Annotated` of each field of a specification that is no `Limit`, which says it itself.

    It is about the value as it was written, not about what can be counted in the practice data or guessed from the
    times of runs. Hosts see everything.
    """

    EVERYBODY = "everybody"
    SCORED = "a team on its receipts, everybody after the reveal"
    REVEALED = "everybody after the reveal"
    HOSTS = "hosts"
