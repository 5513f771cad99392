"""What goes into an image: what is needed is there, and what is left out is left out by rule."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lethe.sandbox import Setup, image_contents
from lethe.sandbox.elf import read_wants
from lethe.sandbox.identity import identity_of
from lethe.sandbox.image_contents import Contents, collect
from lethe.sandbox.interpreter import Interpreter, find_interpreter


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return find_interpreter(Path(sys.executable), identity_of(Setup(harness={}, harness_module="h")))


@pytest.fixture(scope="module")
def plain(interpreter: Interpreter) -> Contents:
    return collect(interpreter, with_packages=False, with_gpu=False)


@pytest.fixture
def environment(tmp_path: Path) -> Interpreter:
    """An environment of its own with a package, and one that belongs to GPUs."""
    folder = tmp_path / "env"
    for above in tmp_path.parents:  # the sandbox uid must be able to pass
        if above.name.startswith(("pytest-", "popen-")):
            above.chmod(0o755)
    tmp_path.chmod(0o755)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    compiled = f"pack/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    left_out = ("pack/tests/test_it.py", "pack/it.h", "pack/it.a", "pack/__pycache__/__init__.cpython-27.pyc")
    of_gpus = ("nvidia/lib/libunused.so.1", "triton/__init__.py")
    for name in ("pack/__init__.py", "pack/data.txt", compiled, *left_out, *of_gpus):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(b"")
    return find_interpreter(folder / "bin" / "python", identity_of(Setup(harness={}, harness_module="h")))


def names_below(contents: Contents, part: str) -> set[str]:
    return {place.partition(part)[2] for place in contents.files if part in place}


def test_the_interpreter_and_the_way_to_it_are_there(interpreter: Interpreter, plain: Contents) -> None:
    place = str(interpreter.executable)
    for _ in range(20):
        if place not in plain.links:
            break
        place = os.path.normpath(Path(place).parent / plain.links[place])
    assert plain.files[place] == os.path.realpath(sys.executable)


def test_programs_and_their_loader_are_there(plain: Contents) -> None:
    for name in ("sh", "cat"):
        assert any(place.endswith(f"/bin/{name}") for place in plain.files)
    wants = read_wants(Path("/bin/sh").resolve())
    assert wants is not None
    for wanted in wants.needed:
        name = wanted.rpartition("/")[2]
        assert any(place.endswith(f"/{name}") for place in plain.files), name


def test_everything_that_libraries_are_linked_with_is_there(plain: Contents) -> None:
    there = {place.rpartition("/")[2] for place in plain.files}
    missing = set()
    for source in plain.files.values():
        wants = read_wants(Path(source))
        missing |= {name for name in (wants.needed if wants else ()) if name.rpartition("/")[2] not in there}
    # extension modules of the standard library whose libraries this machine has not installed
    assert all(name not in image_contents.known_libraries() for name in missing)


def test_packages_are_there_only_if_asked_for(environment: Interpreter) -> None:
    assert names_below(collect(environment, with_packages=False, with_gpu=False), "/site-packages/") == set()
    found = names_below(collect(environment, with_packages=True, with_gpu=False), "/site-packages/")
    assert found == {
        "pack/__init__.py",
        "pack/data.txt",
        f"pack/__pycache__/__init__.{sys.implementation.cache_tag}.pyc",
    }


def test_what_belongs_to_gpus_is_there_with_one(environment: Interpreter) -> None:
    found = names_below(collect(environment, with_packages=True, with_gpu=True), "/site-packages/")
    assert {"nvidia/lib/libunused.so.1", "triton/__init__.py"} <= found


def test_folders_that_are_links_are_there_once(tmp_path: Path) -> None:
    """As uv installs interpreters: the folder that is named leads to one with the whole version in its name."""
    (tmp_path / "real" / "lib").mkdir(parents=True)
    (tmp_path / "real" / "lib" / "module.py").write_text("")
    (tmp_path / "link").symlink_to("real")
    link, real = tmp_path / "link", tmp_path / "real"
    interpreter = Interpreter(
        link / "bin" / "python", {link: link, real: real}, link / "bin" / "python", library=(link / "lib",)
    )
    contents = collect(interpreter, with_packages=False, with_gpu=False)
    assert [place for place in contents.files if place.endswith("/module.py")] == [f"{real}/lib/module.py"]
    assert interpreter.place_in_image(link) == interpreter.place_in_image(real) == str(real)


def test_the_drivers_libraries_are_there_only_with_a_gpu(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine has no driver, so a library that Python is linked with plays its part."""
    monkeypatch.setattr(image_contents, "_DRIVER", ("libm.so",))
    for with_gpu in (False, True):
        contents = collect(interpreter, with_packages=False, with_gpu=with_gpu)
        assert any("/libm.so" in place for place in contents.files) is with_gpu


def test_nothing_of_an_environment_lies_where_the_host_has_it(environment: Interpreter) -> None:
    contents = collect(environment, with_packages=True, with_gpu=False)
    host = str(environment.host.parents[1])
    assert [place for place in (*contents.files, *contents.links) if place.startswith(host)] == []


def test_a_file_that_is_no_library_wants_nothing(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"#!/bin/sh", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 200)):
        (tmp_path / str(number)).write_bytes(data)
        assert read_wants(tmp_path / str(number)) is None
    assert read_wants(tmp_path / "missing") is None


def test_the_search_path_of_a_library_is_read() -> None:
    wants = read_wants(Path(os.path.realpath(sys.executable)))
    assert wants is not None
    assert any(name.startswith("libc.so") for name in wants.needed)
    assert any(name.startswith("/lib") for name in wants.needed)  # the loader itself
