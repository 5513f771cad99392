"""A participant walks every endpoint and page, looking for what is hidden."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from server.leaks import round_score
from server.models import ApiToken, Competition, OutputPack, Score, Submission, Team, User, WorkerKey
from server.work.jobs import run_seed
from tests.integration.server.conftest import BANK, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")
HIDDEN_NAMES = (
    *("replicates", "dossier", "forgetting_quality", "retain_ratio", "test_ratio", "password", "original_outputs"),
    *("worker_key", "lease", "bank_digest", "seed_epoch"),
)


def hidden_values(site: Site) -> set[str]:
    """Texts that no answer may contain."""
    with site.context.database.read() as session:
        competition = session.scalars(select(Competition)).one()
        values = {competition.secret, BANK, site.worker_key}
        values |= {
            str(run_seed(competition.secret, stage=s, epoch=0, index=i)) for s in ("run", "check") for i in range(8)
        }
        refs = list(artifact_refs(competition.dossier))
        values |= {ref["sha256"] for ref in refs} | {ref["key"] for ref in refs}
        for score in session.scalars(select(Score)):
            values |= {repr(value) for value in (score.final_score, *score.replicates) if len(repr(value)) > 8}
        for pack in session.scalars(select(OutputPack)):
            values |= {pack.key, pack.sha256}
        values |= set(session.scalars(select(User.password_hash)))
        values |= set(session.scalars(select(ApiToken.digest))) | set(session.scalars(select(WorkerKey.digest)))
    return {value for value in values if value != "other"}


def artifact_refs(value: Any) -> Iterator[dict[str, str]]:
    """Every artifact that is named in the value, however deep."""
    if isinstance(value, dict):
        if "sha256" in value:
            yield value
        for inner in value.values():
            yield from artifact_refs(inner)


def addresses(site: Site, client: httpx.Client) -> list[str]:
    """Every GET of the OpenAPI document and every page, with this site's own names filled in."""
    with site.context.database.read() as session:
        submission = str(session.scalars(select(Submission.id)).first())
        team = str(session.scalars(select(Team.id)).first())
    document = client.get(f"{site.url}/openapi.json").json()
    found = [path for path, calls in document["paths"].items() if "get" in calls]
    found += ["/", "/competitions/{slug}", "/competitions/{slug}/leaderboard", "/openapi.json"]
    values = {"{slug}": SLUG, "{submission_id}": submission, "{team_id}": team}
    filled = [re.sub(r"\{\w+\}", lambda part: values.get(part[0], part[0]), path) for path in found]
    assert not any("{" in path for path in filled), filled
    return [*filled, f"/api/v1/competitions/{SLUG}/leaderboard?format=csv"]


def test_nothing_hidden_in_any_answer(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        upload(ann)
        site.evaluate()
        hidden = hidden_values(site)
        assert len(hidden) >= 30  # the search would prove nothing if it looked for nothing
        for client in (ann, bob):
            for path in addresses(site, client):
                answer = client.get(site.url + path)
                assert answer.status_code in ({401} if path.endswith("/session") else {200, 404}), path
                text = answer.text
                assert not [value for value in hidden if value in text], path
                if path != "/metrics":
                    shown = {name for name in HIDDEN_NAMES if re.search(rf'"{name}"', text)}
                    assert not shown - ({"password"} if path == "/openapi.json" else set()), (path, shown)


def test_scores_are_shown_with_three_digits(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        for row in ann.get(f"/competitions/{SLUG}/leaderboard").json()["rows"]:
            for value in (row["score"], row["interval"]["low"], row["interval"]["high"]):
                assert round_score(value) == value
