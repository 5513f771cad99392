"""The commands of the docs as they stand: from a folder of photographs to a revealed board and its archive."""

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from lethe.evaluator.contract.specification_keys import toml_text
from lethe.evaluator.data.photographs import DataError
from lethe.server.cli import app
from tests.photographs import make_messy_folder
from tests.system.conftest import Installation, wait

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(1800)]

DOCS = Path(__file__).parents[3] / "docs"
# Small numbers, so that a minute is enough; everything else is as the page says.
SMALLER = {"runs = 32": "runs = 8", "oracles = 32": "oracles = 8", "epochs = 12": "epochs = 2",
           "image_size = 32": "image_size = 16", "identities = 20": "identities = 8"}  # fmt: skip
CLASS_NAMES = ("young", "grown up", "old")


@dataclass
class Page:
    """A document's `sh` blocks by heading; what no test has run is found out at the end."""

    name: str
    blocks: dict[str, list[str]] = field(default_factory=dict)
    specification: str = ""
    done: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, name: str) -> "Page":
        page = cls(name)
        text = (DOCS / name).read_text(encoding="utf-8")
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            found = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
            if found:
                page.blocks[section.splitlines()[0]] = found
        tables = re.findall(r"^```toml\n(slug.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        page.specification = tables[0] if tables else ""
        return page

    def take(self, start: str) -> list[str]:
        """The blocks of the section whose heading begins so."""
        (heading,) = (known for known in self.blocks if known.startswith(start))
        self.done.add(heading)
        return self.blocks[heading]


@dataclass
class Person:
    """Somebody with a folder, a configuration and a shell of their own."""

    folder: Path
    environment: dict[str, str]
    port: int
    exports: list[str] = field(default_factory=list)

    def run(self, blocks: list[str], **words: str) -> str:
        """What the blocks print, after the words in capitals were replaced; a failing command fails the test."""
        printed = ""
        for block in blocks:
            script = block.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
            for word, value in words.items():
                script = re.sub(rf"\b{word}\b", value, script)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", "\n".join([*self.exports, script])],
                cwd=self.folder, env=self.environment, text=True, capture_output=True, check=False, timeout=400,
            )  # fmt: skip
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
            self.exports += [line for line in script.splitlines() if line.startswith("export ")]
            printed += done.stdout
        return printed


@pytest.fixture
def people(embedded: Installation, tmp_path: Path) -> dict[str, Person]:
    found = {}
    for name in ("host", "ann", "dora"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {
            **embedded.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "LETHE_PASSWORD": "correct horse",
            "COLUMNS": "120",
        }
        found[name] = Person(folder, environment, embedded.port)
    return found


def test_the_path_of_the_docs(
    people: dict[str, Person], embedded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with a messy folder, three participants: mended as the messages say, it ends with a revealed board."""
    hosting, participants, api = (Page.read(name) for name in ("hosting.md", "participants.md", "api.md"))
    host, ann = people["host"], people["ann"]
    specification = hosting.specification
    for large, small in SMALLER.items():
        assert large in specification
        specification = specification.replace(large, small)
    # Nobody waits for a full minute or looks at measures and audits here; the last commands for participants need what
    # only some hosts allow.
    changed = "[leaks]\nstep_s = 0\n[measures]\nalways = false\n[audits]\nruns = 0\n"
    specification = f"outputs_after_reveal = true\n{specification}{changed}"

    doctor, up = hosting.take("1.")
    assert up.split("#")[0].split() == ["lethe", "up"]  # `embedded` is this command
    host.run([doctor])
    make_messy_folder(host.folder / "photographs")
    fill_in(host, specification)
    mend_as_told(host, monkeypatch)
    (creation,) = hosting.take("3.")
    printed = host.run([creation.replace("--data photographs", "--data photographs --skip-bad --report report.html")])
    assert "skipped: 17 files that cannot be used" in printed
    assert "to forget: " in printed
    assert_reported(host.folder / "report.html")

    printed = ann.run(participants.take("1."))
    assert "practice score" in printed
    ann.run(participants.take("2."))
    sent = re.search(r"^([0-9a-f-]{36})  my_method.py  scored", ann.run(participants.take("3.")), re.M)
    assert sent is not None
    ann.environment["ID"] = sent[1]
    printed = ann.run(participants.take("4."), ID=sent[1], EARLIER=sent[1][:8], LATER=sent[1])
    assert "Both are the same submission." in printed
    assert '"metric_version"' in printed or "metric_version: " in printed
    source = (ann.folder / "my_method.py").read_text()
    with embedded.register("bob") as bob:
        another = source.replace("lr=1e-3", "lr=2e-3")
        files = {"file": ("my_method.py", another.encode())}
        answer = bob.post("/competitions/our-people/submissions", files=files)
        assert wait(bob, answer.json()["id"])["state"] == "scored"
        assert_practice_score_is_shown(embedded, bob, answer.json()["id"])
    (people["dora"].folder / "my_method.py").write_text(source)
    run_api(people["dora"], api.take("A first submission"))

    host.run(hosting.take("4."))
    host.run(hosting.take("5."))
    wait_for_finals(host)
    assert "public" in host.run(hosting.take("6."))
    printed = ann.run(participants.take("5."), ID=ann.environment["ID"])
    assert "final score" in printed
    assert "F / ceiling's F" in printed
    assert "95% interval" in host.run(hosting.take("7."), ID=ann.environment["ID"])
    printed = host.run(hosting.take("8."))
    # Three teams, ceiling and floor, on the public board and on the final one.
    assert re.search(r"10 scores of our-people: \d+ identical to the bit, \d+ within 1e-9, 0 different", printed), (
        printed
    )
    assert "Replaced 10 scores of our-people" in printed
    edition, deletion = hosting.take("9.")
    assert "says all of that already" in host.run([edition.replace("edit our-people", "edit our-people --yes")])
    assert "our-people" in host.run([deletion.replace("delete our-people", "delete our-people --yes")])
    assert "our-people" not in embedded.lethe("admin", "competition", "list").stdout
    for page in (hosting, participants, api):
        assert page.done == set(page.blocks), f"{page.name} has commands that this test does not run"


def assert_practice_score_is_shown(embedded: Installation, bob: httpx.Client, identifier: str) -> None:
    """The host has trained practice oracles, so the check went on to a score, which API and page show."""
    log = bob.get(f"/submissions/{identifier}/log").json()
    score = log["practice"]
    assert (score["runs"], score["oracles"], log["practice_missing"]) == (8, 8, "")
    assert score["low"] <= score["score"] <= score["high"]
    assert len(score["epsilon"]) == len(score["margins"]) == len(score["oracle_margins"])
    with httpx.Client(base_url=embedded.url) as browser:
        login = {"username": "bob", "password": "correct horse"}
        assert browser.post("/api/v1/session", json=login).status_code == 200
        page = browser.get(f"/submissions/{identifier}").text
    assert f"<b>Practice score {score['score']:.4f}</b>" in page
    assert "8 runs against 8 practice oracles" in page
    assert 'aria-label="Epsilon of ' in page


def fill_in(host: Person, specification: str) -> None:
    """What `init` writes, with the values of the page's specification."""
    host.run(["lethe admin competition init people.toml"])
    file = host.folder / "people.toml"
    parts = {part.partition("]")[0]: part for part in re.split(r"^\[", file.read_text(), flags=re.MULTILINE)}
    head = next(iter(parts))
    wanted = tomllib.loads(specification)
    tables = {name: keys for name, keys in wanted.items() if isinstance(keys, dict)}
    for table, keys in {head: wanted, **tables}.items():
        for key, value in keys.items():
            if not isinstance(value, dict):
                line = f"{key} = {toml_text(value)}"
                parts[table], found = re.subn(rf"^#?{key} = .*$", line, parts[table], flags=re.MULTILINE)
                assert found == 1, (table, key)
    file.write_text("[".join(parts.values()))


def mend_as_told(host: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three refusals of the table and one of files; what each asks for is done before the next."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(host.folder)
    table = Path("photographs/labels.csv")
    assert "save it as" in refusal().lower()
    table.write_text(table.read_text(encoding="latin-1"), encoding="utf-8")
    assert "the label '0' is none of data.class_names (young, grown up, old)" in refusal()
    text = re.sub(r";([0-2]);", lambda found: f";{CLASS_NAMES[int(found[1])]};", table.read_text(encoding="utf-8"))
    table.write_text(text, encoding="utf-8")
    wrong = refusal()
    for message in (
        "image and identity must not be empty",
        "('PERSON-07'): one identity in two spellings",
        "turned.jpg: is listed",
    ):
        assert message in wrong
    table.write_text("\n".join(line for line in text.splitlines() if "mistake" not in line), encoding="utf-8")
    unreadable = refusal()
    assert unreadable.startswith("17 files cannot be used:")
    assert unreadable.endswith("Correct them, or leave them out with --skip-bad")


def refusal() -> str:
    """Why data are refused, with a report of them; in this process, which costs no start of another."""
    command = ["admin", "competition", "create", "people.toml", "--data", "photographs", "--report", "report.html"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, DataError), done.output
    assert str(done.exception).splitlines()[-1] in unescape(Path("report.html").read_text())
    return str(done.exception)


def assert_reported(report: Path) -> None:
    """The report has what was warned of, and needs nothing else."""
    page = report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "This file contains hidden photographs." in page
    assert "again.jpg, person-33" in page
    assert "points better on the forget set than two oracles" in page
    assert "oracles are needed" in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def run_api(dora: Person, blocks: list[str]) -> None:
    """The block command by command, because later ones need what earlier ones answered."""
    (block,) = blocks
    words: dict[str, str] = {}
    for command in re.sub(r"\\\n\s*", "", block).splitlines():
        printed = dora.run([command], **words)
        if "/users" in command:
            words["TOKEN"] = json.loads(printed)["token"]
        elif "my_method.py" in command:
            words["ID"] = json.loads(printed)["id"]
    assert '"state":"scored"' in printed


def wait_for_finals(host: Person) -> None:
    """`finals` says how far it is until all have ended."""
    for _ in range(60):
        state = json.loads(host.run(["lethe admin competition finals our-people --yes --json; sleep 3"]))
        if state["scored"] + state["failed"] == state["total"]:
            assert (state["total"], state["failed"]) == (3, 0)
            return
    raise AssertionError("the final evaluations do not end")
