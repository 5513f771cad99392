"""Edits a competition: what its specification may say differently although it exists, and why the rest stays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import lock_competition, require_photographs, specification
from lethe.server.errors import Conflict, InvalidValue
from lethe.server.hosting import queries
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import Competition
from lethe.server.models.times import utc_now

_MADE = "data and models were made from it; create another competition"
_MEASURED = "submissions were measured under it; create another competition"
_COUNTED = "what teams have learned so far was counted by it; create another competition"
_PROMISED = "teams uploaded, and people gave photographs, under it; create another competition"
_UNTIL_SUBMISSIONS = (_MEASURED, _COUNTED, _PROMISED)
# Keys of the specification, or tables of keys, with the reason why they stay; None: they may change. The first that
# fits counts, and what is not listed may change.
_RULES: tuple[tuple[str, str | None], ...] = (
    ("data.class_names", None),
    *((table, _MADE) for table in ("data", "split", "practice", "model", "training", "evaluation", "audits", "tasks")),
    ("metric", "scores were computed by it: lethe admin rescore --rule computes all of them anew"),
    ("limits.upload_bytes", None),
    ("limits.log_bytes", None),
    ("limits.end_after_s", None),
    ("limits.total_wall_s", _MEASURED),
    *((table, _MEASURED) for table in ("limits", "dependencies", "leave_out", "ignore_cuda")),
    ("leaks", _COUNTED),
    ("outputs_after_reveal", _PROMISED),
    ("slug", "a slug never changes"),
)

_DATES = {
    "phases.public_start": "public_starts_at",
    "phases.public_end": "public_ends_at",
    "phases.final_end": "final_ends_at",
}


class FixedByNow(Conflict):
    """An edit would change what exists already."""

    code = "fixed_by_now"
    title = "Cannot be changed any more"

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(
            f"Cannot be changed any more: {'; '.join(f'{key}: {reason}' for key, reason in reasons.items())}."
        )
        self.reasons = reasons


class EditedMeanwhile(Conflict):
    """Somebody else changed texts or dates while a host was typing."""

    code = "edited_meanwhile"
    title = "Edited meanwhile"


class InvalidEdit(InvalidValue):
    """The new specification is of another competition, or its calendar lies in the past."""

    code = "invalid_edit"
    title = "Invalid edit"


@dataclass(frozen=True)
class Change:
    """A key of the specification with its former and its new value, as JSON."""

    key: str
    before: Any
    after: Any


def current(competition: Competition) -> CompetitionSpec:
    """Return the specification with the dates as they are now: a host may have moved them since it was stored."""
    stored = specification(competition)
    dates = {key.removeprefix("phases."): getattr(competition, column) for key, column in _DATES.items()}
    return stored.model_copy(update={"phases": stored.phases.model_copy(update=dates)})


def version(shown: CompetitionSpec) -> str:
    """Return a digest that tells whether a competition still says what a host was shown."""
    return sha256_hex(shown.model_dump_json().encode())[:16]


def reasons_to_stay(session: Session, competition: Competition, keys: Iterable[str]) -> dict[str, str]:
    """Return, by key, why it has to stay as it is; the keys that may change are left out."""
    has_submissions = queries.has_submissions(session, competition)
    found = {key: _reason(competition, key, has_submissions) for key in keys}
    return {key: reason for key, reason in found.items() if reason is not None}


def changes(
    session: Session, competition: Competition, wanted: CompetitionSpec, *, shown: CompetitionSpec | None = None
) -> list[Change]:
    """Return how `wanted` differs from `shown`, which is the stored specification unless a host was shown another one.

    What `wanted` leaves out stays as it is. Raises InvalidEdit for another slug and a new end of uploads in the past,
    FixedByNow with a reason for each key that has to stay, and PhotographsDeleted for measures that cannot be computed
    any more.
    """
    if wanted.slug != competition.slug:
        raise InvalidEdit(f"The file is of {wanted.slug!r}, not of {competition.slug!r}. A slug never changes.")
    shown = shown or specification(competition)
    found = list(_differences(shown.model_dump(mode="json"), wanted.model_dump(mode="json", exclude_unset=True)))
    if shown.limits.run_retraining_fraction is not None:  # the limit follows from what retraining took at creation
        found = [one for one in found if one.key != "limits.run_wall_s"]
    if any(one.key.startswith("measures.") for one in found):
        require_photographs(competition)
    if reasons := reasons_to_stay(session, competition, (one.key for one in found)):
        raise FixedByNow(reasons)
    if any(one.key == "phases.public_end" for one in found):
        _require_future_end(competition, wanted)
    return found


def edit(
    session: Session,
    slug: str,
    wanted: CompetitionSpec,
    *,
    shown: CompetitionSpec | None = None,
    actor: str | None = None,
) -> list[Change]:
    """Store the changes that `wanted` asks for, and return them; raises as `changes` does.

    Where the columns of measures change, all scores are measured again.
    """
    competition = lock_competition(session, slug)
    found = changes(session, competition, wanted, shown=shown)
    if not found:
        return []
    document = competition.specification
    for one in found:
        document = _with(document, one.key.split("."), one.after)
    edited = CompetitionSpec.model_validate(document)
    competition.specification = edited.model_dump(mode="json")
    competition.title = edited.title
    names = competition.specification["data"].get("class_names")
    if names is not None:
        competition.prepared = _with(competition.prepared, ["data", "class_names"], names)
    for one in found:  # only these: a host may have moved another date since
        if one.key in _DATES:
            setattr(competition, _DATES[one.key], getattr(edited.phases, one.key.removeprefix("phases.")))
    if any(one.key.startswith("measures.") for one in found):
        queries.measure_again(session, competition)
    competition.edited_at = utc_now()
    mark_board_changed(session, competition.id)  # boards that are kept in memory show title, columns and methods
    record(session, "competition.edit", slug, actor=actor, competition=competition, keys=[one.key for one in found])
    return found


def _require_future_end(competition: Competition, wanted: CompetitionSpec) -> None:
    end = wanted.phases.public_end
    if end is not None and end != competition.public_ends_at and end <= utc_now():
        raise InvalidEdit("phases.public_end lies in the past: lethe admin competition close ends uploads now.")


def _reason(competition: Competition, key: str, has_submissions: bool) -> str | None:
    """Why a key has to stay; None where it may change."""
    if key.startswith("phases.") and competition.finals_started_at is not None:
        return "the final evaluation has begun"
    if key.startswith("measures.") and competition.photographs_deleted_at is not None:
        return "the photographs are deleted, so nothing can be measured anew"
    for prefix, reason in _RULES:
        if key == prefix or key.startswith(f"{prefix}."):
            return None if reason in _UNTIL_SUBMISSIONS and not has_submissions else reason
    return None


def _differences(before: dict[str, Any], after: dict[str, Any], table: str = "") -> Iterator[Change]:
    """Yield the keys with other values, as `table.key`."""
    for name, value in after.items():
        old, key = before.get(name), f"{table}{name}"
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _differences(old, value, f"{key}.")
        elif key == "tasks" and isinstance(old, list) and len(value) == len(old):
            for place, (mine, yours) in enumerate(zip(old, value, strict=True)):
                yield from _differences(mine, yours, f"{key}.{place}.")
        elif value != old:
            yield Change(key, old, value)


def _with(document: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy of the JSON document with another value in one place."""
    name, *rest = path
    return document | {name: _with(document.get(name, {}), rest, value) if rest else value}
