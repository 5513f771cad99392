"""The practice bundle over HTTP: whole, in ranges, conditional and counted, from folders and from S3."""

import asyncio
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.contract.practice import PRACTICE_FORMAT
from lethe.evaluator.contract.prepared_competition import PracticeFile
from lethe.server.competitions import service
from lethe.server.competitions.schemas import CompetitionFacts
from lethe.server.context import Context
from lethe.server.settings import Settings
from tests.integration.server.conftest import SLUG, Site, Template, running_site
from tests.practice_bundles import bundle

PATH = f"/competitions/{SLUG}/practice"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


def publish(context: Context, data: bytes) -> PracticeFile:
    """Put `data` in the place of the competition's bundle."""
    artifact = context.artifacts.put_named_by_digest("practice/faces", data, ".safetensors")
    file = PracticeFile(artifact=artifact, size_bytes=len(data), oracles=8, format=PRACTICE_FORMAT)
    with context.database.write() as session:
        locked = service.lock_competition(session, SLUG)
        prepared = service.prepared_competition(locked)
        practice = prepared.practice.model_copy(update={"bundle": file})
        locked.prepared = prepared.model_copy(update={"practice": practice}).model_dump(mode="json")
    return file


def test_a_bundle_is_sent_whole_in_parts_and_not_at_all(site: Site) -> None:
    data = bundle()
    publish(site.context, data)
    with site.client() as stranger:
        facts = CompetitionFacts.model_validate(stranger.get(f"/competitions/{SLUG}").json())
        assert facts.practice is not None
        assert (facts.practice.sha256, facts.practice.size_bytes) == (sha256(data).hexdigest(), len(data))

        whole = stranger.get(PATH)
        assert (whole.status_code, whole.content) == (200, data)
        tag = f'"{facts.practice.sha256}"'
        assert {name: whole.headers[name] for name in ("etag", "accept-ranges", "content-type", "content-length")} == {
            "etag": tag, "accept-ranges": "bytes", "content-type": "application/octet-stream",
            "content-length": str(len(data)),
        }  # fmt: skip
        assert whole.headers["content-disposition"] == f'attachment; filename="{SLUG}-practice.safetensors"'
        assert "content-encoding" not in whole.headers  # though the client would take gzip
        assert "x-request-id" in whole.headers

        known = stranger.get(PATH, headers={"If-None-Match": f'"other", {tag}'})
        assert (known.status_code, known.content) == (304, b"")
        head = stranger.head(PATH)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")

        for asked, (start, end) in {
            "bytes=100-": (100, len(data)), "bytes=7-7": (7, 8), "bytes=-5": (len(data) - 5, len(data)),
        }.items():  # fmt: skip
            part = stranger.get(PATH, headers={"Range": asked, "If-Range": tag})
            assert (part.status_code, part.content) == (206, data[start:end])
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"
        for headers in ({"Range": "bytes=5-", "If-Range": '"older"'}, {"Range": "bytes=0-1,4-5"}):
            assert stranger.get(PATH, headers=headers).content == data
        beyond = stranger.get(PATH, headers={"Range": f"bytes={len(data)}-"})
        assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
        assert beyond.headers["content-range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize("places", [1, 0], ids=["copied by the kernel", "read, as many others are copied"])
def test_files_larger_than_a_piece_arrive_whole_on_one_connection_after_the_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    monkeypatch.setattr("lethe.server.http.send_file._places", asyncio.Semaphore(places))
    data = bytes(range(256)) * 2**14  # 4 MiB
    publish(site.context, data)
    with site.client() as stranger:
        for _ in range(3):
            assert stranger.get(PATH).content == data
            assert stranger.get(PATH, headers={"Range": "bytes=1048570-3145735"}).content == data[1048570:3145736]
        with stranger.stream("GET", PATH) as hung_up:
            next(hung_up.iter_raw())
        assert stranger.get(PATH).content == data
        assert stranger.get("/competitions").status_code == 200


def test_s3_sends_the_same(sqlite_template: Template, database_url: str, s3_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", database_url=database_url, artifacts_url=s3_url)
    sqlite_template.copy_to(settings)
    data = bundle()
    with running_site(settings, sqlite_template.worker_key) as site, site.client() as stranger:
        file = publish(site.context, data)
        assert site.context.artifacts.path_of(file.artifact) is None
        assert stranger.get(PATH).content == data
        assert stranger.get(PATH, headers={"Range": "bytes=33-1000"}).content == data[33:1001]
        open_store(s3_url).delete([file.artifact.key])
        gone = stranger.get(PATH)
        assert (gone.status_code, gone.json()["code"]) == (404, "practice_not_found")


def test_without_a_bundle_one_learns_what_to_do_and_of_drafts_nothing(site: Site) -> None:
    with site.client() as stranger:
        missing = stranger.get(PATH)
        assert (missing.status_code, missing.json()["code"]) == (404, "practice_not_found")
        assert f"lethe admin oracles seed {SLUG} on the server does" in missing.json()["detail"]
        assert stranger.get(f"/competitions/{SLUG}").json()["practice"] is None
        file = publish(site.context, bundle())
        path = site.context.artifacts.path_of(file.artifact)
        assert path is not None
        path.unlink()
        assert stranger.get(PATH).json()["code"] == "practice_not_found"
        with site.context.database.write() as session:
            service.get_competition(session, SLUG).opened_at = None
        draft, nobody = stranger.get(PATH), stranger.get("/competitions/nobody/practice")
        assert draft.status_code == nobody.status_code == 404
        assert draft.json()["detail"].replace(SLUG, "nobody") == nobody.json()["detail"]


def test_downloads_have_a_rate_of_their_own(site: Site) -> None:
    publish(site.context, bundle())
    object.__setattr__(site.context.settings, "rate_practice", "2/hour")
    with site.client() as stranger:
        first = stranger.get(PATH)
        assert stranger.get(PATH, headers={"Range": "bytes=0-9"}).status_code == 206
        refused = stranger.get(PATH)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        unchanged = stranger.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert unchanged.status_code == 304  # costs nothing and counts nothing
        assert stranger.get(f"/competitions/{SLUG}").status_code == 200


def test_the_page_links_to_it(site: Site) -> None:
    page = f"{site.url}/competitions/{SLUG}"
    assert PATH not in httpx.get(page).text
    publish(site.context, bundle())
    text = httpx.get(page).text
    assert f'href="/api/v1{PATH}"' in text
    assert "Download the practice bundle (data, network, 8 practice oracles, " in text
    assert f"lethe check submission.py -c {SLUG} --server {site.url}" in text


def test_a_competition_from_before_practice_oracles_has_none(site: Site) -> None:
    with site.context.database.read() as session:
        competition = service.get_competition(session, SLUG)
    assert service.specification(competition).practice.oracles == 32
    practice = {name: value for name, value in competition.specification["practice"].items() if name != "oracles"}
    competition.specification = {**competition.specification, "practice": practice}
    assert service.specification(competition).practice.oracles == 0
