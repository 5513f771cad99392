"""What a webhook can be told."""

from enum import StrEnum


class Event(StrEnum):
    """What a webhook is told."""

    ENDED = "ended"
    SCORED = "scored"
    REVEALED = "revealed"


EVENTS = {
    Event.ENDED: "A submission has ended, in whichever way",
    Event.SCORED: "A submission has a score",
    Event.REVEALED: "The final results are out",
}
"""The events that people choose, with what pages say of them."""
TYPES = {
    Event.ENDED: "submission.ended",
    Event.SCORED: "submission.scored",
    Event.REVEALED: "competition.revealed",
}
"""The `type` of the messages."""
