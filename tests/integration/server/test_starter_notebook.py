"""From the competition's page to a score at home and a submission: the notebook of the page, as Jupyter executes it."""

import json
import linecache
from pathlib import Path
from typing import Any

import httpx
import pytest

import lethe
from lethe.evaluator.artifacts.practice_bundle import open_bundle
from lethe.evaluator.practice import practise
from lethe.server.pages.starter_notebook import starter_notebook
from lethe.server.submissions.static_check import check_file
from tests.integration.server.conftest import SLUG, Site
from tests.integration.server.test_practice import publish
from tests.practice_bundles import playable

LIMIT = 128 * 2**10


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A participant's computer."""
    folder = tmp_path / "participant"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LETHE_HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    return folder


def page(site: Site, path: str) -> httpx.Response:
    return httpx.get(f"{site.url}{path}", timeout=30)


def run(data: bytes, **changes: str) -> dict[str, Any]:
    """The names of a notebook after all its cells, with `changes` of their text."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(data)["cells"]:
        if cell["cell_type"] == "code":
            text, file = "".join(cell["source"]), f"<cell {cell['id']}>"
            for old, new in changes.items():
                text = text.replace(f"{old} = ", f"{old} = {new}  # ")
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
            exec(compile(text, file, "exec", dont_inherit=True), names)  # noqa: S102 - our own notebook
    return names


@pytest.mark.slow
@pytest.mark.component("bubblewrap")
def test_the_notebook_scores_submits_and_can_be_uploaded(
    site: Site, home: Path, kept_image: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site.context, playable())
    assert (
        f'href="/competitions/{SLUG}/starter.ipynb" download>Download starter'
        in page(site, f"/competitions/{SLUG}").text
    )
    data = page(site, f"/competitions/{SLUG}/starter.ipynb").content
    with site.register("ann") as ann:
        monkeypatch.setenv("LETHE_TOKEN", ann.headers["Authorization"].removeprefix("Bearer "))
        monkeypatch.setattr(lethe.Client, "wait", lambda client, found: client.submission(found))  # no worker here
        names = run(data, RUNS="8", SUBMIT="True")
        (sent,) = ann.get(f"/competitions/{SLUG}/submissions").json()["items"]
        uploaded = ann.get(f"/submissions/{sent['id']}/source").content
    practice, score, floor = names["practice"], names["score"], names["floor"]
    assert uploaded.decode() == practice.source(names["unlearning"])
    assert (sent["filename"], sent["state"]) == ("submission.py", "queued")

    for found in (score, floor):
        assert (found.runs, found.oracles) == (8, 8)
        assert found.low <= found.value <= found.high
        assert sum(found.histogram()[0]) == len(found.epsilon) == len(practice.forget.dataset)
    assert score.retain_ratio != floor.retain_ratio
    assert "unchanged: " in capsys.readouterr().err  # advice on the floor

    # Uploaded as it is, the notebook loses what cannot run on a worker, and nothing that the function needs.
    checked = check_file(data, filename="submission.ipynb", limit_bytes=LIMIT)
    path = next((home / "home").glob("practice/bundles/*/bundle.safetensors"))
    (home / "scratch").mkdir()
    folders = {"store_folder": home / "store", "scratch": home / "scratch"}
    result = practise(checked.source, open_bundle(path), **folders, leaves_out=True, scored_runs=8)
    assert result.fault is None
    assert result.score == score  # to the last bit: the same function and seeds
    left_out = "\n".join(result.report.left_out)
    for cell in ("practice = lethe.practice(", "score = practice.score(unlearning", "file.write_text("):
        assert cell in left_out
    assert "def unlearning" not in left_out


def test_each_competition_has_its_own_and_drafts_have_none(site: Site) -> None:
    answer = page(site, f"/competitions/{SLUG}/starter.ipynb")
    assert answer.headers["content-disposition"] == 'attachment; filename="submission.ipynb"'
    assert answer.text == starter_notebook(SLUG, site.url)
    code = "".join(json.loads(answer.content)["cells"][1]["source"])
    assert f"COMPETITION = '{SLUG}'\nSERVER = '{site.url}'\n" in code
    assert page(site, "/competitions/nowhere/starter.ipynb").status_code == 404
