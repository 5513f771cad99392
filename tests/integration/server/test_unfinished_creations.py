"""A creation that fails or dies leaves nothing in the store; what a competition or another creation needs stays."""

import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lethe.evaluator.artifacts import ArtifactStore
from lethe.server.competitions import service
from lethe.server.control import process
from lethe.server.control.process import ControlLoop
from lethe.server.hosting.creation_queries import lock_creations
from lethe.server.hosting.unfinished_creations import CreationLost, creation_at_work, remove_leftovers
from lethe.server.models import Lease
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import BANK, SLUG, Site


def keys(site: Site) -> set[str]:
    return set(site.context.artifacts.list(""))


def leases(site: Site) -> int:
    with site.context.database.write() as session:
        return len(lock_creations(session))


def hold(site: Site, name: str, *, for_s: float) -> ArtifactStore:
    """The store of a creation of another process, whose lease ends then."""
    with site.context.database.write() as session:
        session.add(Lease(name=f"create:{name}", holder="another", expires_at=utc_now() + timedelta(seconds=for_s)))
    return site.context.artifacts.noting(f"creations/{name}")


def test_what_a_failed_creation_stored_goes(site: Site) -> None:
    before = keys(site)

    def fail() -> None:
        with creation_at_work(site.context) as creation:
            creation.store.put("data/photographs-0123.safetensors", b"of people")
            creation.store.put("banks/0123/checkpoints/00000.safetensors", b"of a model")
            assert leases(site) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert keys(site) == before
    assert leases(site) == 0


def test_what_a_finished_creation_stored_stays(site: Site) -> None:
    before = keys(site)
    with creation_at_work(site.context) as creation:
        creation.store.put("data/photographs-0123.safetensors", b"of people")
    assert keys(site) == before | {"data/photographs-0123.safetensors"}
    assert leases(site) == 0


def test_what_a_dead_creation_stored_goes_but_for_what_others_need(site: Site) -> None:
    with site.context.database.read() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG))
    before = keys(site)
    dead = hold(site, "dead", for_s=-1)
    for key in ("data/0123/visible.safetensors", "banks/0123/identity.json", "data/4567/visible.safetensors"):
        dead.put(key, b"of people")
    dead.put(prepared.public.visible.key, site.context.artifacts.get(prepared.public.visible))
    dead.put(f"banks/{BANK}/checkpoints/former.safetensors", b"which a record may name")
    alive = hold(site, "alive", for_s=60)
    alive.put("data/4567/visible.safetensors", b"of people")
    assert remove_leftovers(site.context) == 2
    notes = {key for key in keys(site) if key.startswith("creations/")}
    assert notes == set(site.context.artifacts.list("creations/alive"))
    assert keys(site) - notes == before | {
        "data/4567/visible.safetensors",
        f"banks/{BANK}/checkpoints/former.safetensors",
    }
    assert leases(site) == 1
    assert remove_leftovers(site.context) == 0


def test_a_part_of_a_file_goes_too(site: Site) -> None:
    """A put that is killed leaves it beside the key, where no listing shows it."""
    dead = hold(site, "dead", for_s=-1)
    dead.put("data/0123/visible.safetensors", b"of people")
    folder = Path(urlsplit(site.context.artifacts.url).path) / "data/0123"
    (folder / "visible.safetensors#1").write_bytes(b"of peo")
    remove_leftovers(site.context)
    assert list(folder.iterdir()) == []


def test_the_next_creation_removes_what_a_dead_one_stored(site: Site) -> None:
    before = keys(site)
    hold(site, "dead", for_s=-1).put("data/0123/visible.safetensors", b"of people")
    with creation_at_work(site.context):
        pass
    assert keys(site) == before


def test_control_removes_what_a_dead_one_stored(site: Site) -> None:
    before = keys(site)
    hold(site, "dead", for_s=-1).put("data/0123/visible.safetensors", b"of people")
    control = ControlLoop(site.context.settings)
    control.start()
    try:
        deadline = time.monotonic() + 30
        while keys(site) != before and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        control.stop()
    assert keys(site) == before


def test_a_store_that_is_away_stops_neither_control_nor_the_failure(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(site, "dead", for_s=-1).put("data/0123/visible.safetensors", b"of people")
    control = ControlLoop(site.context.settings)

    def away(*_: object) -> None:
        raise process.ArtifactError("away")

    with monkeypatch.context() as patched:
        patched.setattr(ArtifactStore, "delete", away)
        control._sweep()
        with site.context.database.write() as session:
            for lease in lock_creations(session):
                lease.expires_at = utc_now()  # as after a minute, for which the next creation waits
        with pytest.raises(ZeroDivisionError), creation_at_work(site.context):
            raise ZeroDivisionError
    assert "data/0123/visible.safetensors" in keys(site)
    assert leases(site) == 2


def test_a_creation_that_was_taken_for_dead_ends(site: Site) -> None:
    def be_late() -> None:
        with creation_at_work(site.context) as creation:
            creation.store.put("data/0123/visible.safetensors", b"of people")
            with site.context.database.write() as session:
                (lease,) = lock_creations(session)
                lease.expires_at = utc_now()
            assert remove_leftovers(site.context) == 1
            with site.context.database.write() as session:
                creation.require_held(session)

    with pytest.raises(CreationLost, match="silent for too long"):
        be_late()
    assert leases(site) == 0
