"""The finished home of commit 4f177e3: its people and their secrets, unpacking it, and leading `lethe` in it."""

import os
import shutil
import signal
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from typer.testing import CliRunner

from lethe.server.cli import app

FOLDER = Path(__file__).parent
ARCHIVE = FOLDER / "home-4f177e3.tar.xz"
SLUG = "mini"

PASSWORD = "correct horse"
"""Of everybody: ann and bob are "Ann & Bob", cem, eve and fay teams of one, fay's disqualified; dora is a baseline; gus
has a team that sent nothing, and registered by invitation; hal hosts, ops is an operator, ivy is disabled.
"""
TOKEN = "lethe_TZFpNTexBKAouTbd80DGnLvVK0HHpxVhv9ErvsAFJog"
"""The API token of ann's that is called laptop. All tokens and open invitations of this home expire in 2999."""
WORKER_KEY = "lethew_2TWXRm5KAzhTuimqeU1mvMiMzAtihDtYP-Bf2G5n0Zw"
OPEN_INVITATION = "lethet_3Jie--x2AKuIibsuOsX7rAozKMj4sDtxmBUR94wCYLE"
"""To join Ann & Bob."""
USED_INVITATION = "lethet_ZTa7bbGivGOInU__w-2z4D-_73L1D_S_RsNTvCM5fRI"
REGISTRATION = "lethej_WP-vGrhqedCtY-whzgwiYhb8McXMC0Sqe1ZPgw4CuMc"

SUBMISSIONS = {
    "finetune": "d1833e1b-a15e-4eab-b0f3-1a9392aff7f4",  # of ann, selected, with a final evaluation
    "final": "3aef83c4-286b-4f60-b262-64cc394c6201",  # that final evaluation
    "notebook": "e7053630-619f-49e2-9912-0145a9b8232e",  # of bob
    "reset": "9a2cc5bf-4987-49be-aee1-c81b97ce6592",  # of ann, the best public score
    "loud": "f2c99f3b-56df-4abe-be7c-36c41a9ad97b",  # of ann, failed in the check with a line and output; run twice
    "noise": "1ff6a825-2ef4-46f6-8ab7-68747f578cf4",  # of cem, run again with fresh seeds
    "hidden": "6a3a5016-0c6b-4f57-bf53-9d5ec8b17f2d",  # of cem, failed in hidden runs
    "slow": "c2ef736b-ca14-4962-9ed7-5f60da1c178d",  # of cem, who cancelled it
    "copied": "78db8ef1-434c-488c-a769-2dc6dc7a7a9d",  # of cem, disqualified
    "packaged": "fe440b65-9157-473d-a18f-17c110b1caa1",  # of eve, with einops in a script block
    "stopped": "61ac83db-aef4-4451-8631-55795182300e",  # of eve, cancelled by the host
    "ascent": "ee5428af-e954-434a-8df4-da49d619f09e",  # of dora
    "noop": "841d2d35-f128-45dc-9f77-dbf5cdf415b9",  # of fay
}
TEAMS = {"ann_and_bob": "1746c9c6-f33e-44ec-b2d8-dc7f5fc8d698", "cem": "dc5db854-87c7-47d8-92df-c44165456bf3"}


def unpack(folder: Path) -> Path:
    """The home as it was packed, in `folder`: of an older schema once there are newer ones."""
    with tarfile.open(ARCHIVE) as packed:
        for member in packed:
            file = packed.extractfile(member)
            if file is not None:
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read())
                path.chmod(member.mode)
    return folder / "home"


def lethe(home: Path, *arguments: str) -> str:
    """What the command prints to stdout, without what it logs; anything but success fails the test."""
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("LETHE_")}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with capture_logs():
        done = CliRunner().invoke(app, list(arguments), env={**environment, "LETHE_HOME": str(home)})
    for number, handler in handlers.items():  # some commands stop in an orderly way, and this process goes on
        signal.signal(number, handler)
    if done.exit_code != 0:
        raise AssertionError(f"lethe {' '.join(arguments)}: {done.output}{done.exception!r}") from done.exception
    return done.stdout


def copy(home: Path, folder: Path) -> Path:
    """A home with the same rows and artifacts, for what changes them."""
    return Path(shutil.copytree(home, folder))


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """The database of a home, for raw SQL: entities move, tables stay."""
    connection = sqlite3.connect(home / "lethe.db")
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def rows(home: Path, query: str) -> list[dict[str, Any]]:
    """The rows that `query` finds, by column."""
    with database(home) as connection:
        return [dict(row) for row in connection.execute(query)]
