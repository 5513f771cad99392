"""Script blocks, who may name which package, what becomes of an installed folder, what the installer is given."""

import contextlib
import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.script_block import InvalidScriptBlock, ScriptBlock, read_script_block
from lethe.evaluator.contract.specification import COMMON_PACKAGES, DependenciesSpec
from lethe.evaluator.dependencies import DependencyRefused, InstallerFailure, InstallInterrupted, Layers, vetting
from lethe.evaluator.dependencies.base import Base, find_base
from lethe.evaluator.dependencies.confinement import Bounds, Confinement, TooLong, TooMuchDisk
from lethe.evaluator.settings import IndexSettings, LayerSettings

REFERENCE = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
SPEC = DependenciesSpec(allowed=("einops",))
BOUNDS = Bounds(wall_s=20, folder_bytes=8 * 2**20, folder_files=50)


def block(*lines: str) -> bytes:
    return "\n".join(["import torch", "# /// script", *(f"# {line}" for line in lines), "# ///", ""]).encode()


def named(*requirements: str) -> bytes:
    return block(f"dependencies = {json.dumps(requirements)}")


def test_a_source_without_a_block_asks_for_nothing() -> None:
    assert read_script_block(b"x = 1\n") == ScriptBlock()
    assert read_script_block(b"# /// other\n# [tool.uv]\n# ///\n") == ScriptBlock()


def test_requirements_come_in_one_spelling() -> None:
    found = read_script_block(named("Einops >= 0.8", "scikit_learn[B,a]<2, >1", "einops>=0.8"))
    assert found == ScriptBlock(requirements=("einops>=0.8", "scikit-learn[a,b]<2,>1"), line=2)
    assert read_script_block(block('requires-python = ">=3.11"')).requires_python == ">=3.11"


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_of_other_systems_count(ending: str) -> None:
    source = named("einops").decode().replace("\n", ending).encode()
    assert read_script_block(b"\xef\xbb\xbf" + source).requirements == ("einops",)


REFUSED = {
    "path": (named("x @ file:///etc"), "URL or a path"),
    "URL": (named("x @ https://example.org/x-1.0-py3-none-any.whl"), "URL or a path"),
    "repository": (named("x @ git+https://example.org/x"), "URL or a path"),
    "bare path": (named("/etc"), "is not a package name"),
    "relative path": (named("./x"), "is not a package name"),
    "option": (named("--index-url=http://127.0.0.1"), "is not a package name"),
    "file of requirements": (named("-r /etc/passwd"), "is not a package name"),
    "two lines": (named("einops\n--index-url http://127.0.0.1"), "is not a package name"),
    "variable": (named("einops==${HOME}"), "is not a package name"),
    "marker": (named('einops; os_name == "posix"'), "marker"),
    "arbitrary equality": (named("einops===${HOME}"), "==="),
    "tool table": (block("[tool.uv]", 'index-url = "http://127.0.0.1"'), "'tool' is not allowed"),
    "no TOML": (block("dependencies = ["), "not valid TOML"),
    "deep TOML": (block("x = " + "[" * 4000), "not valid TOML"),
    "long number": (block("x = " + "9" * 5000), "not valid TOML"),
    "numbers": (block("dependencies = [1]"), "list of strings"),
    "a string": (block('dependencies = "einops"'), "list of strings"),
    "too many": (named(*(f"p{number}" for number in range(51))), "more than 50"),
    "too long": (named("p" * 301), "longer than 300"),
    "large": (block(f'requires-python = "{" " * 9000}"'), "longer than 8,192"),
    "Python": (block('requires-python = "three"'), "not a version specifier"),
    "two blocks": (named("einops") + named("einops"), "more than one"),
    "not closed": (b"# /// script\n# dependencies = []\n", "closing line"),
}


@pytest.mark.parametrize(("source", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_but_names_and_versions_is_refused(source: bytes, message: str) -> None:
    with pytest.raises(InvalidScriptBlock, match=message) as refusal:
        read_script_block(source)
    assert refusal.value.line == (1 if message == "closing line" else 2)


@given(st.lists(st.sampled_from(["# /// script", "# ///", "#", "# dependencies = ['p']", "# # ", "x", "# /// a", ""])))
def test_blocks_are_found_where_pep_723_finds_them(lines: list[str]) -> None:
    source = "\n".join(lines)
    starts = [
        source.count("\n", 0, match.start()) + 1 for match in REFERENCE.finditer(source) if match["type"] == "script"
    ]
    try:
        found, said = read_script_block(source.encode()).line, ""
    except InvalidScriptBlock as refusal:
        found, said = refusal.line, str(refusal)
    if "closing line" not in said:  # PEP 723 ignores such a block, which would help nobody
        assert found == (starts[0] if starts else None)
        assert (len(starts) > 1) == ("more than one" in said)


def test_reading_takes_time_in_proportion_to_the_source() -> None:
    for source in (b"# /// a\n" * 200_000, b"# /// script\n" + b"# ///\n" * 200_000):
        started = time.process_time()
        with contextlib.suppress(InvalidScriptBlock):
            read_script_block(source)
        assert time.process_time() - started < 2


def layers_at(folder: Path, pins: dict[str, str], keep_bytes: int = 2**30) -> Layers:
    base = Base(Path(sys.executable), "3.11.2", "test", pins, ())
    return Layers(folder, base=base, index={}, sandbox_uid=61010, installer_uid=61011, keep_bytes=keep_bytes)


@pytest.mark.parametrize("mode", ["allow-list", "none"])
def test_what_the_base_has_may_always_be_named_and_other_packages_by_policy(tmp_path: Path, mode: str) -> None:
    layers = layers_at(tmp_path, {"torch": "2.0"})
    spec = DependenciesSpec.model_validate({"mode": mode, "allowed": ["Ein_ops"]})
    with pytest.raises(DependencyRefused, match=r"^requests; this competition installs") as refusal:
        layers.resolve(ScriptBlock(("requests>1", "torch")), spec, threading.Event())
    assert refusal.value.code is FaultCode.DEPENDENCY_NOT_ALLOWED
    assert list(tmp_path.iterdir()) == []


def test_another_python_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(DependencyRefused, match=r"requires Python >=3.99; here is 3.11.2") as refusal:
        layers_at(tmp_path, {}).resolve(ScriptBlock(requires_python=">=3.99"), SPEC, threading.Event())
    assert refusal.value.code is FaultCode.DEPENDENCY_CONFLICT


def test_default_list_names_each_package_once_and_is_sorted() -> None:
    assert list(COMMON_PACKAGES) == sorted(set(COMMON_PACKAGES))
    assert DependenciesSpec().allowed == COMMON_PACKAGES


def test_nothing_named_needs_no_folder(tmp_path: Path) -> None:
    layers = layers_at(tmp_path / "layers", {})
    assert layers.resolve(ScriptBlock(), SPEC, threading.Event()) == ()
    with layers.open((), SPEC, threading.Event()) as layer:
        assert (layer.folder, layer.key) == (None, "")
    assert not (tmp_path / "layers").exists()


def test_folder_that_others_could_change_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(InstallerFailure, match="can write to"):
        layers_at(tmp_path, {}).resolve(ScriptBlock(("einops",)), SPEC, threading.Event())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs for another uid")
def test_folder_that_the_guest_cannot_reach_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    with pytest.raises(InstallerFailure, match=r"cannot pass /.*: chmod o"):
        layers_at(tmp_path / "home" / "layers", {}).resolve(ScriptBlock(("einops",)), SPEC, threading.Event())


def test_base_knows_what_is_installed_here() -> None:
    base = find_base()
    assert {"torch", "numpy", "lethe-unlearning"} <= set(base.pins)
    assert any((folder / "torch").is_dir() for folder in base.folders)


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    return folder


COLLISIONS = {
    "package": (["torch/__init__.py"], ["torch/__init__.py"], "torch"),
    "module over package": (["torch.py"], ["torch/__init__.py"], "torch"),
    "extension": ([f"torch.{sys.implementation.cache_tag}-x.so", "torch.so"], ["torch/__init__.py"], "torch"),
    "folder that a package would join": (["torch/extra.py"], ["torch/__init__.py"], "torch"),
    "package over shared folder": (["nvidia/__init__.py"], ["nvidia/nccl/a.py"], "nvidia"),
    "module in a shared folder": (["nvidia/nccl/a.py"], ["nvidia/nccl/a.py"], "nvidia.nccl.a"),
    "standard library": (["random.py"], [], "random"),
    "start-up file": (["sitecustomize.py"], [], "sitecustomize"),
    "the jail's own": (["lethe/evaluator/models/x.py"], [], "lethe"),
}
FITTING = {
    "other modules": (["einops/__init__.py", "x.py"], ["torch/__init__.py"]),
    "shared folder": (["nvidia/cublas/a.py"], ["nvidia/nccl/a.py"]),
    "libraries": (["numpy.libs/a.so.1", "x-1.dist-info/RECORD"], ["numpy.libs/a.so.1", "numpy/__init__.py"]),
}


@pytest.mark.parametrize(("new", "old", "module"), COLLISIONS.values(), ids=COLLISIONS)
def test_modules_that_are_there_already_are_refused(
    tmp_path: Path, new: list[str], old: list[str], module: str
) -> None:
    (tmp_path / "base").mkdir()
    layer, base = fill(tmp_path / "layer", *new), fill(tmp_path / "base", *old)
    (layer / "bad_name-1.0.dist-info").mkdir()
    (layer / "bad_name-1.0.dist-info" / "RECORD").write_text(f"{new[0]},,\n", encoding="utf-8")
    with pytest.raises(DependencyRefused, match=f"^bad_name 1.0 brings a module '{module}'$") as refusal:
        vetting.refuse_shadows(layer, (base,))
    assert refusal.value.code is FaultCode.DEPENDENCY_SHADOWS


@pytest.mark.parametrize(("new", "old"), FITTING.values(), ids=FITTING)
def test_layers_that_only_add_pass(tmp_path: Path, new: list[str], old: list[str]) -> None:
    vetting.refuse_shadows(fill(tmp_path / "layer", *new), (fill(tmp_path / "base", *old),))


def test_stripping_leaves_importable_content_only(tmp_path: Path) -> None:
    kept = ["p/__init__.py", "p/weights/vgg.pth", "p/bin/tool.py", "p-1.dist-info/METADATA"]
    fill(tmp_path, *kept, "x.pth", ".lock", "bin/tool", "p-1.dist-info/entry_points.txt", "y.egg-link")
    (tmp_path / "p" / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "p" / "fifo")
    vetting.strip(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert sorted(found) == sorted(kept)


def program(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


def confinement() -> Confinement:
    return Confinement(61011 if os.geteuid() == 0 else None, {"ONLY": "this"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if os.geteuid() == 0:
        os.chown(tmp_path, 61011, 61011)
    return tmp_path


def test_confined_programs_have_their_own_uid_environment_and_limits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETHE_WORKER_KEY", "secret")
    text = (
        "import json, os, resource; print(json.dumps([dict(os.environ), os.getuid(), os.getgroups(), os.getcwd(), "
        "resource.getrlimit(resource.RLIMIT_FSIZE)[1], resource.getrlimit(resource.RLIMIT_CORE)[1]]))"
    )
    finished = confinement().run(program(text), folder, BOUNDS, threading.Event())
    environment, uid, groups, cwd, file_bytes, core_bytes = json.loads(finished.stdout)
    assert {name: value for name, value in environment.items() if name != "LC_CTYPE"} == {"ONLY": "this"}
    assert uid != 0
    assert 0 not in groups
    assert (cwd, file_bytes, core_bytes) == (str(folder), BOUNDS.folder_bytes, 0)


TOO_MUCH = {
    "one large file": ["/bin/dd", "if=/dev/zero", "of=x", "bs=64k"],
    "large files": program("import itertools\nfor n in itertools.count(): open(str(n), 'wb').write(bytes(2**20))"),
    "many files": program("import time\nfor n in range(60): open(str(n), 'wb')\ntime.sleep(60)"),
}


@pytest.mark.parametrize("command", TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_disk_ends_the_program(folder: Path, command: list[str]) -> None:
    with pytest.raises(TooMuchDisk):
        confinement().run(command, folder, BOUNDS, threading.Event())


@pytest.mark.slow
def test_time_and_the_callers_wish_end_the_program_and_its_children(folder: Path) -> None:
    text = "import os, time\nif os.fork() == 0: time.sleep(1); open('late', 'w')\ntime.sleep(60)"
    with pytest.raises(TooLong) as waiting:
        confinement().run(program("import time; time.sleep(60)"), folder, Bounds(3.0, 2**20, 10), threading.Event())
    with pytest.raises(TooLong) as computing:
        confinement().run(program("while True: pass"), folder, Bounds(1.0, 2**20, 10), threading.Event())
    assert (waiting.value.waited, computing.value.waited) == (True, False)
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(InstallInterrupted):
        confinement().run(program(text), folder, BOUNDS, cancel)
    time.sleep(1.2)
    assert not (folder / "late").exists()


def test_index_settings_are_the_only_variables_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IndexSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:secret@index.example.org/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org")
    monkeypatch.setenv("UV_TORCH_BACKEND", "cpu")
    monkeypatch.setenv("LETHE_WORKER_KEY", "secret")
    settings = IndexSettings()
    assert settings.variables() == {
        "UV_DEFAULT_INDEX": "https://user:secret@index.example.org/simple",
        "HTTPS_PROXY": "http://proxy.example.org",
    }
    assert "secret" not in repr(settings)


def test_layers_lie_where_guests_can_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert LayerSettings(cache=tmp_path, layers=None).layers_folder == Path("/var/cache/lethe-layers")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert LayerSettings(cache=tmp_path, layers=None).layers_folder == tmp_path / "layers"
    assert LayerSettings(layers=tmp_path / "x").layers_folder == tmp_path / "x"
