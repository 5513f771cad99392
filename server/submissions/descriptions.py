"""What a team says about a submission: the method's name and a link for the boards, and a note of its own."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from sqlalchemy.orm import Session

from lethe.server.audit_log.events import record, user_actor
from lethe.server.competitions.disclosure import Viewer
from lethe.server.competitions.phases import is_benchmark
from lethe.server.errors import Conflict, RequestError
from lethe.server.http.outward_links import is_link
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import Competition, Submission, User

METHOD_CHARS, NOTE_CHARS, LINK_CHARS = 80, 300, 300
# One line without control and format characters, which terminals and pages would obey, and without space at its ends.
_LINE = r"^[^\s\p{C}]([^\p{C}\p{Zl}\p{Zp}]*[^\s\p{C}])?$"


class DescriptionFixed(Conflict):
    """Boards that show a description are a record once their competition is over."""

    code = "description_fixed"
    title = "Description is fixed"


class InvalidDescription(RequestError):
    """A method's name, a note or a link is too long, or has characters that it may not have."""

    status = 422
    code = "invalid_description"
    title = "Invalid description"


def _none_if_blank(value: object) -> object:
    return (value.strip() or None) if isinstance(value, str) else value


def _link(value: str) -> str:
    if not is_link(value):
        raise ValueError("not a link")
    return value


_Blank = BeforeValidator(_none_if_blank)
_Method = Annotated[str, Field(max_length=METHOD_CHARS, pattern=_LINE)]
_Note = Annotated[str, Field(max_length=NOTE_CHARS, pattern=_LINE)]
_Link = Annotated[str, Field(max_length=LINK_CHARS), AfterValidator(_link)]


class Description(BaseModel):
    """What is shown of a submission beside its file; null and blank: nothing."""

    method: Annotated[_Method | None, _Blank] = Field(
        default=None,
        description=f"The method's name for the board: one line, {METHOD_CHARS} characters at most, none invisible",
    )
    note: Annotated[_Note | None, _Blank] = Field(
        default=None,
        description=f"For your team and the host alone: one line, {NOTE_CHARS} characters at most, none invisible",
    )
    link: Annotated[_Link | None, _Blank] = Field(
        default=None, description=f"Paper or code: an http or https address in ASCII, {LINK_CHARS} characters at most"
    )


def description_of(fields: dict[str, str]) -> Description:
    """Return what the fields of a form say, others left out; raises InvalidDescription with what each must be."""
    try:
        return Description.model_validate({name: fields.get(name) for name in Description.model_fields})
    except ValidationError as error:
        wrong = dict.fromkeys(str(fault["loc"][0]) for fault in error.errors())
        sentences = (f"{name.capitalize()}: {Description.model_fields[name].description}." for name in wrong)
        raise InvalidDescription(" ".join(sentences)) from error


def may_describe(competition: Competition, submission: Submission, viewer: Viewer) -> bool:
    """Return whether `viewer` may change the description now: a host always, its team until the board is a record.

    That is the reveal; of a benchmark's submission the end of the benchmark.
    """
    if submission.origin_id is not None:
        return False
    if viewer is Viewer.HOST:
        return True
    is_over = competition.revealed_at is not None
    return viewer is Viewer.TEAM and (is_benchmark(competition) if submission.is_after_deadline else not is_over)


def describe(session: Session, submission: Submission, viewer: Viewer, user: User, changes: Description) -> None:
    """Store those of the fields that are set; what a host changes is recorded. Raises DescriptionFixed."""
    competition = session.get_one(Competition, submission.competition_id, with_for_update=True)
    if not may_describe(competition, submission, viewer):
        raise DescriptionFixed(
            "The board that shows this submission is a record now. Ask the host to correct a mistake."
        )
    for name in changes.model_fields_set:
        setattr(submission, name, getattr(changes, name))
    if viewer is Viewer.HOST:
        changed = sorted(changes.model_fields_set)
        record(
            session,
            "submission.describe",
            str(submission.id),
            actor=user_actor(user),
            competition=competition,
            changed=changed,
        )
    mark_board_changed(session, competition.id)
