"""Names that nobody could guess, and that came out of the house: none of them comes back."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("server", "evaluator", "sandbox", "attacks", "benchmarks", "tests", "docs", "scripts", "deploy")
SUFFIXES = {".py", ".md", ".html", ".js", ".yml", ".toml"}
# Migrations tell of the past, and so do decisions, the log of changes and the record of what there was.
EXEMPT = ("tests/test_names.py", "tests/record/", "docs/adr/")

GONE = (
    "Arena", "Dossier", "Heard", "KeptBoards", "OrderBook", "Seat", "Sight", "Station", "Tally",
    "TorchStation", "Wanted", "Yardstick", "Yardsticks", "_Either", "_Order", "_Shift",
    "dossier", "heart", "hold_back", "kept_lease", "lanes", "load_yardstick", "postpone",
    "tallies", "take_in", "take_seat", "yardstick", "yardsticks",
)  # fmt: skip
GONE_MODULES = (
    "server.access", "server.audit", "server.auth", "server.celery_app", "server.control.keeper",
    "server.control.yardstick", "server.csv_table", "server.db", "server.digests", "server.docs_page",
    "server.entity_tags", "server.exports", "server.health", "server.http_protocol", "server.leaks", "server.limits",
    "server.metrics", "server.migrate", "server.oracles", "server.paging", "server.problem_document",
    "server.problems", "server.rates", "server.rescoring", "server.sessions", "server.storage", "server.supervisor",
    "server.tallies", "server.work", "server.competitions.acts", "server.leaderboard.kept",
    "server.submissions.intake", "evaluator.heart", "evaluator.jails", "evaluator.seat", "evaluator.spool",
    "evaluator.contract.dossier", "sandbox.meter", "sandbox.pages", "sandbox.pumps", "sandbox.texts", "attacks.arena",
)  # fmt: skip


def texts() -> list[tuple[str, str]]:
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and not name.startswith(EXEMPT):
                found.append((name, path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize(("kind", "words"), [("identifiers", GONE), ("modules", GONE_MODULES)])
def test_old_names_are_gone(kind: str, words: tuple[str, ...]) -> None:
    # A quoted word is a key of a stored document, which stays.
    pattern = re.compile(r"(?<![\w.\"])(?:lethe\.)?(" + "|".join(re.escape(word) for word in words) + r")(?!\w)")
    hits = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in texts()
        for match in pattern.finditer(text)
    ]
    assert not hits, f"old {kind}: " + ", ".join(hits[:20])


def test_old_modules_are_gone() -> None:
    for module in GONE_MODULES:
        path = ROOT / module.replace(".", "/")
        assert not path.with_suffix(".py").exists(), module
        assert not (path / "__init__.py").exists(), module


def test_no_text_installs_the_strangers_package() -> None:
    """`lethe` on the package index is another project; ours is `lethe-unlearning`."""
    files = [*texts(), *((path.name, path.read_text(encoding="utf-8")) for path in ROOT.glob("*.md"))]
    pattern = re.compile(r"pip install[^\n]*['\"\s]lethe[\[='\"`\n]")
    assert not [name for name, text in files if pattern.search(text)]
