"""The code shows to the outside what commit 4f177e3 showed, but for the differences that differences.md names."""

import difflib
import hashlib
import json
import math
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_lethe
from tests.record import contracts, stored
from tests.record.home import FOLDER, SLUG
from tests.record.observed import GROUPS, NUMBERS, SHOWN, Original, computed, original

SCORES = 16
"""Of the home, without the one whose submission was run again."""
ORACLES = 64
TORCH = "2.15.0"
"""What the oracles were trained with."""
TOLERANCE = 1e-9
"""Between processors: as much as `lethe admin rescore --verify` calls close."""
LINES_SHOWN = 60
DIFFERENCES = FOLDER / "differences.md"
ORIGINALS = FOLDER / "originals.json"
MAKE = "If it is intended: python -m tests.record.make, and a line in tests/record/differences.md."


@pytest.fixture(scope="module", autouse=True)
def nobodys_environment() -> Iterator[None]:
    """Variables of the machine's own Lethe mean nothing here."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("LETHE_")]:
            patched.delenv(name)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, nobodys_environment: None) -> Original:
    return original(tmp_path_factory.mktemp("record"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return found


def test_the_migrated_home_has_the_schema_of_a_fresh_database(home: Original) -> None:
    """The record has that of a fresh one."""
    recorded = (SHOWN / "contracts" / "schema.sql").read_text(encoding="utf-8").splitlines()
    assert contracts.schema_lines(home.home) == recorded


def test_every_score_comes_out_again(home: Original) -> None:
    """To the bit on the processor that computed them, within the tolerance on others."""
    found = stored.verified(home.copy("verified"))
    assert found["sound"], found["different"]
    assert found["identical"] + found["close"] == found["scores"] == SCORES


@pytest.mark.skipif(version("torch") != TORCH, reason="another torch trains other models")
def test_the_oracles_are_those_that_this_code_would_train(home: Original) -> None:
    """Otherwise every competition that exists would lose its bank; nothing is trained where none is missing."""
    done = run_lethe("admin", "oracles", "seed", SLUG, "--json", "--home", str(home.copy("seeded")), check=True)
    seeded = json.loads(done.stdout)
    assert (seeded["trained"], seeded["wanted"], seeded["here"]) == (ORACLES, ORACLES, 0)


def test_stored_scores_and_places_are_those_of_the_record(home: Original, recorded: dict[str, Any]) -> None:
    for table, found in stored.numbers(home.home).items():
        assert found == recorded[table], f"{table} differ. {MAKE}"


def test_computed_numbers_are_those_of_the_record(home: Original, recorded: dict[str, Any]) -> None:
    """Other rules on the same outputs, and `lethe score` of exported margins."""
    differing = list(_apart(recorded["computed"], json.loads(json.dumps(computed(home)))))
    assert not differing, "\n".join([*differing[:LINES_SHOWN], MAKE])


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_shown_is_what_the_record_shows(home: Original, group: str) -> None:
    found = {name: f"{text}\n" for name, text in GROUPS[group](home).items()}
    kept = {str(path.relative_to(SHOWN)): path.read_text(encoding="utf-8") for path in _files(SHOWN / group)}
    differing = [name for name in sorted({*found, *kept}) if found.get(name) != kept.get(name)]
    shown = [_difference(name, kept.get(name, ""), found.get(name, "")) for name in differing]
    if differing:
        pytest.fail("\n".join([*shown, MAKE]), pytrace=False)


def test_every_intended_difference_is_explained() -> None:
    """A file that is not as 4f177e3 recorded it is named in differences.md; so is one that came or went."""
    before = json.loads(ORIGINALS.read_text(encoding="utf-8"))
    now = {str(path.relative_to(FOLDER)): _digest(path) for path in (*_files(SHOWN), NUMBERS)}
    explained = DIFFERENCES.read_text(encoding="utf-8")
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    assert [name for name in changed if f"`{name}`" not in explained] == []


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _difference(name: str, kept: str, found: str) -> str:
    lines = difflib.unified_diff(
        kept.splitlines(), found.splitlines(), f"record/{name}", f"now/{name}", n=2, lineterm=""
    )
    listed = list(lines)
    more = [f"… and {len(listed) - LINES_SHOWN} lines more"] if len(listed) > LINES_SHOWN else []
    return "\n".join([*listed[:LINES_SHOWN], *more])


def _apart(kept: Any, found: Any, where: str = "") -> Iterator[str]:
    """Where two documents differ by more than the tolerance."""
    if isinstance(kept, dict) and isinstance(found, dict) and kept.keys() == found.keys():
        for name in kept:
            yield from _apart(kept[name], found[name], f"{where}.{name}")
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for place, (one, other) in enumerate(zip(kept, found, strict=True)):
            yield from _apart(one, other, f"{where}[{place}]")
    elif isinstance(kept, float) and isinstance(found, float):
        if not math.isclose(kept, found, rel_tol=0, abs_tol=TOLERANCE):
            yield f"{where}: {kept!r} is recorded, {found!r} came out"
    elif kept != found:
        yield f"{where}: {kept!r} is recorded, {found!r} came out"
