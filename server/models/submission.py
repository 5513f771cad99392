"""A submission: one uploaded file and the state of its evaluation: public, final or benchmark."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.models.base import EVALUATION, Entity

SEED_RULE = 2
"""The rule of new submissions: run seeds come from the source, too. Under rule 1 every source had the same."""


_PUBLISHED = text("licence IS NOT NULL")


class Submission(Entity):
    """`generation` counts reruns. `seed_epoch` enters the run seeds, so a rerun without fresh seeds repeats them;
    `seed_rule` says how they are made of it. `form_sha256` is the digest of the source without comments and layout,
    `shape_sha256` the one without names and values, too; None of submissions that came before they were kept.

    A final evaluation is a row of its own with the public one as its origin. `selected_at` is the time when the team
    selected a public one for it. `runs_shown` is the progress that the team sees from the step of the clock after
    `runs_shown_at` on, `runs_shown_before` the one until then. `is_charged`: it counts against the quota, unless it
    failed in the check stage or by a fault of Lethe's. A submission that has not ended by `deadline_at` fails then, as
    the platform's fault.
    `source_*` is what runs: the uploaded file, and once `upload_sha256` is set, which is its digest, the exact source
    that the check made of it (docs/adr/0015).
    `method`, `note` and `link` are the team's own words; the note is for the team and hosts alone. `licence` is an SPDX
    identifier once the team has published the source, at `published_at`; else both are None.
    `looks` has what the comparisons with the team's best found (`lethe.server.scoring.looks`); the best of the first
    is that of all. `stopped_after`: the runs after which one of them ended it; it is scored then, without a score.
    `runs_whole`: no look, or no further one. `completed_at`: when its team had it completed.
    `lethe.server.lifecycle` alone writes state, owner, fault and `finished_at`.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("origin_id"),
        CheckConstraint("(evaluation = 'final') = (origin_id IS NOT NULL)", name="final_has_origin"),
        Index("ix_submissions_competition_created", "competition_id", "created_at"),
        Index(
            "ix_submissions_published",
            "competition_id",
            "created_at",
            sqlite_where=_PUBLISHED,
            postgresql_where=_PUBLISHED,
        ),
        Index("ix_submissions_competition_state", "competition_id", "state"),
        Index("ix_submissions_state_deadline", "state", "deadline_at"),
        Index("ix_submissions_team_created", "team_id", "created_at"),
        Index("ix_submissions_team_form", "team_id", "form_sha256"),
        Index("ix_submissions_team_shape", "team_id", "shape_sha256"),
        Index("ix_submissions_team_source", "team_id", "source_sha256"),
    )

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    request_id: Mapped[str | None] = mapped_column(String(32), default=None)
    evaluation: Mapped[str] = mapped_column(EVALUATION, default=Evaluation.PUBLIC)
    origin_id: Mapped[UUID | None] = mapped_column(ForeignKey("submissions.id"), default=None)
    filename: Mapped[str] = mapped_column(String(200))
    notes: Mapped[list[Any] | None] = mapped_column(default=None)
    source_key: Mapped[str] = mapped_column(String(300))
    source_sha256: Mapped[str] = mapped_column(String(64))
    form_sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    shape_sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    upload_sha256: Mapped[str | None] = mapped_column(String(64), default=None)
    state: Mapped[str] = mapped_column(String(16), default=SubmissionState.QUEUED)
    owner: Mapped[str | None] = mapped_column(String(16), default=None)
    fault_stage: Mapped[str | None] = mapped_column(String(8), default=None)
    fault_code: Mapped[str | None] = mapped_column(String(40), default=None)
    fault_message: Mapped[str | None] = mapped_column(Text, default=None)
    fault_line: Mapped[int | None] = mapped_column(default=None)
    check_report: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    is_charged: Mapped[bool] = mapped_column(default=True)
    generation: Mapped[int] = mapped_column(default=0)
    seed_rule: Mapped[int] = mapped_column(default=SEED_RULE)
    seed_epoch: Mapped[int] = mapped_column(default=0)
    runs_total: Mapped[int]
    deadline_at: Mapped[datetime]
    runs_shown: Mapped[int] = mapped_column(default=0)
    runs_shown_before: Mapped[int] = mapped_column(default=0)
    runs_shown_at: Mapped[datetime | None] = mapped_column(default=None)
    selected_at: Mapped[datetime | None] = mapped_column(default=None)
    disqualified_reason: Mapped[str | None] = mapped_column(String(500), default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    method: Mapped[str | None] = mapped_column(String(80), default=None)
    note: Mapped[str | None] = mapped_column(String(300), default=None)
    link: Mapped[str | None] = mapped_column(String(300), default=None)
    licence: Mapped[str | None] = mapped_column(String(24), default=None)
    published_at: Mapped[datetime | None] = mapped_column(default=None)
    looks: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    stopped_after: Mapped[int | None] = mapped_column(default=None)
    runs_whole: Mapped[bool] = mapped_column(default=False, server_default=false())
    completed_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def is_after_deadline(self) -> bool:
        """Whether it came after the reveal, and stands on the benchmark's board."""
        return self.evaluation == Evaluation.BENCHMARK

    @property
    def stopping_look(self) -> dict[str, Any] | None:
        """What the look found that stopped it; None of what none stopped."""
        return self.looks["found"][-1] if self.looks is not None and self.stopped_after is not None else None
