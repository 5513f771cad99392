"""Revisions that convert stored rows, on SQLite and on PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from lethe.server.database.migration import migrate, schema_differences
from lethe.server.models import ModelOrder, WorkItem
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, Site, upload

pytestmark = pytest.mark.component("postgresql")

BEFORE_0017 = (
    "ALTER TABLE work_items DROP COLUMN part",
    "ALTER TABLE output_packs DROP COLUMN further",
    *(f"ALTER TABLE {table} DROP COLUMN breakdown" for table in ("scores", "former_scores")),
    *(
        f"ALTER TABLE submissions DROP COLUMN {name}"
        for name in ("looks", "stopped_after", "runs_whole", "completed_at")
    ),
    *(f"DROP TABLE {name}" for name in ("webhook_deliveries", "webhooks")),
    *(f"DROP TABLE {name}" for name in ("sign_in_identities", "device_logins")),
    "DROP INDEX ix_audit_events_actor",
    "DROP INDEX ix_team_invites_created_by",
    *(f"DROP TABLE {name}" for name in ("outbox_mails", "mailed_secrets", "mail_preferences")),
    "ALTER TABLE competitions DROP COLUMN closing_told_for",
    "DROP INDEX ix_users_username_skeleton",
    "DROP INDEX ix_teams_competition_skeleton",
    "ALTER TABLE users DROP COLUMN username_skeleton",
    "ALTER TABLE teams DROP COLUMN name_skeleton",
    "DROP TABLE terms_acceptances",
    "ALTER TABLE competitions DROP COLUMN photographs_deleted_at",
    "ALTER TABLE competitions DROP COLUMN edited_at",
    "DROP INDEX ix_submissions_published",
    *(f"ALTER TABLE competitions DROP COLUMN benchmark_{name}" for name in ("secret", "started_at", "ended_at")),
    *(f"ALTER TABLE submissions DROP COLUMN {name}" for name in ("method", "note", "link", "licence", "published_at")),
    "DROP INDEX ix_scores_unmeasured",
    *(f"ALTER TABLE scores DROP COLUMN {name}" for name in ("measures", "shown_measures", "measures_asked")),
    "DROP TABLE worker_faults",
    "ALTER TABLE workers DROP COLUMN admission",
    "ALTER TABLE workers DROP COLUMN quarantined_at",
    "ALTER TABLE work_items DROP COLUMN faults",
    "ALTER TABLE submissions DROP COLUMN upload_sha256",
    "DROP TABLE known_addresses",
    "DROP INDEX ix_submissions_team_form",
    "DROP INDEX ix_submissions_team_shape",
    *(
        f"ALTER TABLE submissions DROP COLUMN {name}"
        for name in ("seed_rule", "form_sha256", "shape_sha256", "runs_shown_before")
    ),
    "UPDATE alembic_version SET version_num = '0016'",
)
BEFORE_0016 = (
    *BEFORE_0017,
    "ALTER TABLE work_items DROP COLUMN available_at",
    "ALTER TABLE model_orders DROP COLUMN available_at",
    "ALTER TABLE model_orders RENAME COLUMN worker TO holder",
    "UPDATE alembic_version SET version_num = '0015'",
)


def test_postponed_work_was_leased_without_a_holder(site: Site) -> None:
    until = utc_now() + timedelta(hours=1)
    with site.register("ann") as ann:
        for number in range(3):
            upload(ann, GOOD + f"'{number}'\n".encode(), f"{number}.py")
        held = site.claim()
        assert held is not None
        with site.context.database.write() as session:
            postponed, ended = session.scalars(
                select(WorkItem).where(WorkItem.state == "ready").order_by(WorkItem.turn)
            )
            for item in (postponed, ended):
                item.state, item.lease_expires_at = "leased", until
            session.execute(text("UPDATE submissions SET state = 'cancelled' WHERE filename = '2.py'"))
            for statement in BEFORE_0016:
                session.execute(text(statement))
    site.context.database.dispose()  # statements that were prepared know the old columns
    migrate(site.context.database)
    assert schema_differences(site.context.database) == []
    with site.context.database.read() as session:
        found = {item.id: item for item in session.scalars(select(WorkItem))}
        assert session.scalars(select(ModelOrder.worker)).all() == []
    assert (found[postponed.id].state, found[postponed.id].available_at) == ("ready", until)
    assert found[postponed.id].lease_expires_at is None
    assert found[ended.id].state == "failed"
    assert (found[held.work_id].state, found[held.work_id].worker) == ("leased", "w1")
    assert site.claim() is None
