"""What may not be put into a jail."""

from pathlib import Path

import pytest

from lethe.sandbox import Setup

ANY = Path("/anything")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a"])
def test_inputs_have_plain_names(name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        Setup(harness={}, harness_module="h", inputs={name: ANY})


@pytest.mark.parametrize(
    "name", ["/h.py", "../h.py", "a/../../h.py", "lethe/sandbox/guest.py", "lethe/__init__.py", "lethe"]
)
def test_harness_files_stay_under_the_import_root(name: str) -> None:
    with pytest.raises(ValueError, match="import root"):
        Setup(harness={name: ANY}, harness_module="h")


@pytest.mark.parametrize("place", ["relative", "", "/a/../../etc/passwd"])
def test_links_have_absolute_paths(place: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Setup(harness={}, harness_module="h", links={place: "/tmp"})  # noqa: S108


@pytest.mark.parametrize("identity", [{"uid": 0}, {"gid": 0}])
def test_never_root(identity: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="gid 0"):
        Setup(harness={}, harness_module="h", **identity)  # type: ignore[arg-type]
