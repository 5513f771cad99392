"""Rows in great number, made by PostgreSQL itself: teams of one, their submissions, scores and finished work."""

import time
from uuid import UUID

from sqlalchemy import Connection, text

from lethe.evaluator.contract.states import Evaluation
from lethe.server.context import Context
from lethe.server.leaderboard.standings import rebuild
from lethe.server.models import Competition
from lethe.server.security.digests import digest_secret

TOKEN = "lethe_benchmark{number}"
_TEAMS = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
    SELECT n, gen_random_uuid() AS user_id, gen_random_uuid() AS team_id FROM generate_series(:first, :last) n;
INSERT INTO users (id, created_at, username, username_key, email, email_key, password_hash, is_operator)
    SELECT user_id, now(), 'u' || n, 'u' || n, n || '@x.org', n || '@x.org', '-', false FROM made;
INSERT INTO teams (id, created_at, competition_id, name, name_key, is_baseline, submissions)
    SELECT team_id, now(), :competition, 'team ' || n, 'team ' || n, false, 0 FROM made;
INSERT INTO team_members (competition_id, user_id, team_id) SELECT :competition, user_id, team_id FROM made;
"""
_SUBMISSIONS = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, member.team_id, member.user_id, number,
        now() - number * interval '4 hours' AS at, random() AS score
    FROM team_members member, generate_series(:first, :last) number;
INSERT INTO submissions (id, created_at, competition_id, team_id, user_id, evaluation, filename, source_key,
        source_sha256, state, is_charged, generation, seed_epoch, runs_total, deadline_at, runs_shown, finished_at)
    SELECT id, at, :competition, team_id, user_id, 'public', 'a.py', 's', md5(id::text) || md5(team_id::text),
        'scored', true, 0, 0, 8, at, 8, at FROM made;
INSERT INTO scores (id, created_at, competition_id, submission_id, evaluation, generation, final_score, interval_low,
        interval_high, forgetting_quality, retain_ratio, test_ratio, replicates, receipt, plots)
    SELECT gen_random_uuid(), at, :competition, id, 'public', 0, score, score - .02, score + .02, score, 1, 1,
        (SELECT jsonb_agg(score + .02 * sin(draw + 9 * score)) FROM generate_series(1, 16) draw),
        '{}', '{}' FROM made;
INSERT INTO work_items (id, created_at, submission_id, competition_id, team_id, generation, stage, chunk, first_run,
        run_count, turn, state, attempt, losses, token, claimed_at, finished, done_at)
    SELECT gen_random_uuid(), at, id, :competition, team_id, 0, stage, 0, 0, 8, number * 8, 'done', 1, 0, 1, at, '{}',
        at FROM made, unnest(ARRAY['check', 'run', 'score']) stage;
INSERT INTO audit_events (id, created_at, actor, action, target, competition_id, details)
    SELECT gen_random_uuid(), at, 'user:host', 'submission.rerun', id::text, :competition, '{}'
    FROM made WHERE number % 10 = 0;
UPDATE teams SET submissions = :last;
"""
_TOKENS = """
INSERT INTO api_tokens (id, created_at, user_id, name, digest, expires_at)
    SELECT gen_random_uuid(), now(), id, 'benchmark', :digest, now() + interval '1 day'
    FROM users WHERE username = :name
"""


def add_teams(context: Context, count: int) -> list[str]:
    """Make teams 1 to `count`, and give tokens of the first 32."""
    with context.database.engine.begin() as connection:
        _run(connection, _TEAMS, first=1, last=count, competition=_competition(connection))
        tokens = [TOKEN.format(number=number) for number in range(1, 33)]
        for number, token in enumerate(tokens, 1):
            connection.execute(text(_TOKENS), {"digest": digest_secret(token), "name": f"u{number}"})
    return tokens


def add_submissions(context: Context, first: int, last: int) -> float:
    """Give every team its scored submissions `first` to `last`; the seconds that the standings of all took."""
    with context.database.engine.begin() as connection:
        _run(connection, _SUBMISSIONS, first=first, last=last, competition=_competition(connection))
    started = time.perf_counter()
    with context.database.write() as session:
        rebuild(session, session.query(Competition).one(), Evaluation.PUBLIC)
    wall_s = time.perf_counter() - started
    analyse(context)
    return wall_s


def analyse(context: Context) -> None:
    """Let the planner know what is there."""
    with context.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def make_host(context: Context, name: str) -> None:
    """Let the account run the competition and the site."""
    with context.database.engine.begin() as connection:
        found = {"competition": _competition(connection), "name": name}
        connection.execute(
            text(
                "INSERT INTO competition_hosts (competition_id, user_id) "
                "SELECT :competition, id FROM users WHERE username = :name"
            ),
            found,
        )
        connection.execute(text("UPDATE users SET is_operator = true WHERE username = :name"), found)


def count(context: Context) -> int:
    """How many submissions there are."""
    with context.database.engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM submissions")) or 0)


def _competition(connection: Connection) -> UUID:
    found: UUID = connection.scalar(text("SELECT id FROM competitions"))
    return found


def _run(connection: Connection, script: str, *, first: int, last: int, competition: UUID) -> None:
    numbered = script.replace(":first", str(first)).replace(":last", str(last))
    for statement in numbered.strip().removesuffix(";").split(";\n"):
        connection.execute(text(statement), {"competition": competition} if ":competition" in statement else {})
