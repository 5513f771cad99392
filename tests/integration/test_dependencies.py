"""uv against a local index of hostile packages, against the real index, and a layer in a real jail."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from uv import find_uv_bin

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.script_block import ScriptBlock
from lethe.evaluator.contract.specification import DependenciesSpec
from lethe.evaluator.dependencies import (
    DependencyRefused,
    InstallerFailure,
    InstallInterrupted,
    Layer,
    Layers,
    open_layers,
)
from lethe.evaluator.settings import IndexSettings, LayerSettings
from tests.integration.package_index import Index, open_folder

MIB = 2**20
ANY = DependenciesSpec(mode="any")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with open_folder() as folder:
        found = Index(folder)
        found.add_wheel("plain", "1.0", {"plain.py": "VALUE = 1\n"})
        found.add_wheel("plain", "2.0", {"plain.py": "VALUE = 2\n"})
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as found:
        yield found / "layers"


def layers_at(folder: Path, index: Index | str, *, keep_bytes: int = 2**30) -> Layers:
    url = index if isinstance(index, str) else index.url
    empty = dict.fromkeys(IndexSettings.model_fields)
    settings = IndexSettings(**{**empty, "uv_default_index": url, "uv_http_retries": "0"})  # type: ignore[arg-type]
    return open_layers(LayerSettings(layers=folder, layers_bytes=keep_bytes), settings)


def install(layers: Layers, *requirements: str, spec: DependenciesSpec = ANY) -> Layer:
    """The layer of `requirements`; nobody holds it any more, but there is room."""
    never = threading.Event()
    with layers.open(layers.resolve(ScriptBlock(requirements), spec, never), spec, never) as layer:
        return layer


def refusal(layers: Layers, *requirements: str, spec: DependenciesSpec = ANY) -> tuple[FaultCode, str]:
    with pytest.raises(DependencyRefused) as refused:
        install(layers, *requirements, spec=spec)
    return refused.value.code, str(refused.value)


def imported(layer: Layer, expression: str) -> str:
    """What `expression` is in a process that sees the layer as a guest does."""
    assert layer.folder is not None
    program = f"import sys; sys.path.append({str(layer.folder)!r}); {expression}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_real_wheels_come_from_the_real_index(folder: Path) -> None:
    layers = open_layers(LayerSettings(layers=folder), IndexSettings())
    try:
        layer = install(layers, "einops>=0.8", "toolz", "numpy", spec=DependenciesSpec())
    except InstallerFailure as failure:
        message = f"the package index that this environment was installed from cannot be reached: {failure}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    assert [package.split("==")[0] for package in layer.packages] == ["einops", "toolz"]  # numpy is here already
    assert imported(layer, "import einops, toolz; print(einops.__name__, toolz.__name__)") == "einops toolz"
    assert install(layers, "toolz", "numpy", "einops>=0.8", spec=DependenciesSpec()).folder == layer.folder
    code, said = refusal(layers, "toolz>9999", spec=DependenciesSpec())
    assert (code, "toolz>9999" in said) == (FaultCode.DEPENDENCY_CONFLICT, True)


def test_each_refusal_has_its_code_and_useful_words(index: Index, folder: Path) -> None:
    index.add_wheel("needs-missing", "1.0", {"needs_missing.py": ""}, requires="missing-thing>3")
    index.add_wheel("needs-other-torch", "1.0", {"needs_other_torch.py": ""}, requires="torch<1")
    index.add_wheel("needs-path", "1.0", {"needs_path.py": ""}, requires="plain @ file:///etc")
    index.add_wheel("needs-url", "1.0", {"needs_url.py": ""}, requires="plain @ http://127.0.0.1:9/plain-1.0.tar.gz")
    index.add_source("only-source", "1.0", "")
    layers = layers_at(folder, index)
    expected = {
        "missing-thing": (FaultCode.DEPENDENCY_UNKNOWN, "missing-thing was not found"),
        "needs-missing": (FaultCode.DEPENDENCY_UNKNOWN, "missing-thing was not found"),
        "plain>2": (FaultCode.DEPENDENCY_CONFLICT, "only plain<=2.0 is available"),
        "needs-other-torch": (FaultCode.DEPENDENCY_CONFLICT, "torch<1"),
        "torch==1.0": (FaultCode.DEPENDENCY_CONFLICT, f"Installed here: torch {layers.base.pins['torch']}"),
        "only-source": (FaultCode.DEPENDENCY_SOURCE_ONLY, "only-source==1.0 has no usable wheels"),
        "needs-path": (FaultCode.DEPENDENCY_CONFLICT, "URL dependency"),
        "needs-url": (FaultCode.DEPENDENCY_CONFLICT, "URL dependency"),
    }
    for requirement, (code, words) in expected.items():
        found, said = refusal(layers, requirement)
        assert (found, words in said) == (code, True), (requirement, found, said)
        assert "://" not in said
        assert str(index.root) not in said
    assert install(layers, "torch", "numpy>1") == Layer()  # nothing but what is here
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_index_that_is_away_is_nobodys_fault(folder: Path) -> None:
    layers = layers_at(folder, "http://user:secret@127.0.0.1:9/simple")
    with pytest.raises(InstallerFailure, match="uv ended with 2") as failure:
        install(layers, "plain")
    assert "secret" not in str(failure.value)


def test_build_steps_never_run(index: Index, folder: Path) -> None:
    (folder.parent / "open").mkdir()
    (folder.parent / "open").chmod(0o777)
    marker = folder.parent / "open" / "built"
    setup = f"open({str(marker)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='builder', py_modules=[])\n"
    index.add_source("builder", "1.0", setup)
    assert refusal(layers_at(folder, index), "builder")[0] is FaultCode.DEPENDENCY_SOURCE_ONLY
    assert not marker.exists()
    built = [find_uv_bin(), "pip", "install", "--no-config", "--quiet", "--no-build-isolation", "--no-cache"]
    built += [f"--python={sys.executable}", f"--default-index={index.url}", f"--target={folder}", "builder"]
    subprocess.run(built, check=False, capture_output=True)
    assert marker.exists()  # so the line above can fail


def test_nothing_in_a_layer_starts_by_itself(index: Index, folder: Path) -> None:
    stem = "starter-1.0"
    index.add_wheel(
        "starter",
        "1.0",
        {
            "starter/__init__.py": "VALUE = 3\n",
            "starter/weights/net.pth": "weights",
            "starter.pth": "import sys; sys.started = True\n",
            f"{stem}.dist-info/entry_points.txt": "[console_scripts]\nstart = starter:VALUE\n"
            "[torch.backends]\nstarter = starter:VALUE\n",
            f"{stem}.data/scripts/start-script": "#!python\n",
            "../climbed.txt": "",
        },
    )
    layer = install(layers_at(folder, index), "starter")
    assert layer.folder is not None
    names = {str(path.relative_to(layer.folder)) for path in layer.folder.rglob("*") if path.is_file()}
    assert {"starter/__init__.py", "starter/weights/net.pth", f"{stem}.dist-info/METADATA"} <= names
    (compiled,) = (layer.folder / "starter/__pycache__").iterdir()
    assert compiled.read_bytes()[4:8] == bytes([1, 0, 0, 0])  # Python does not compare it with the source's time
    assert not [name for name in names if name.endswith(("starter.pth", "entry_points.txt")) or "start-script" in name]
    assert not list(folder.parent.rglob("climbed.txt"))
    for path in (layer.folder, *layer.folder.rglob("*")):
        assert path.stat().st_uid == os.geteuid()
        assert path.stat().st_mode & 0o022 == 0
    start = f"import site; site.addsitedir({str(layer.folder)!r}); print(getattr(sys, 'started', False))"
    assert imported(layer, start) == "False"
    (layer.folder / "starter.pth").write_text("import sys; sys.started = True\n")
    assert imported(layer, start) == "True"  # so the line above can fail


def test_modules_of_the_base_cannot_be_brought_again(index: Index, folder: Path) -> None:
    index.add_wheel("torch-faster", "1.0", {"torch/__init__.py": "raise SystemExit\n"})
    index.add_wheel("smuggler", "1.0", {"smuggler-1.0.data/data/numpy/__init__.py": "raise SystemExit\n"})
    index.add_wheel("patcher", "1.0", {"sitecustomize.py": "raise SystemExit\n"})
    layers = layers_at(folder, index)
    for name, module in {"torch-faster": "torch", "smuggler": "numpy", "patcher": "sitecustomize"}.items():
        code, said = refusal(layers, name)
        assert (code, f"brings a module '{module}'" in said) == (FaultCode.DEPENDENCY_SHADOWS, True), said
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_size_of_what_is_unpacked_is_limited(index: Index, folder: Path) -> None:
    index.add_wheel("bomb", "1.0", {"bomb.bin": bytes(64 * MIB)})
    index.add_wheel("crumbs", "1.0", {f"crumbs/{number}.py": "" for number in range(300)})
    small = DependenciesSpec(mode="any", layer_bytes=16 * MIB, layer_files=200)
    layers = layers_at(folder, index)
    for name in ("bomb", "crumbs"):
        code, said = refusal(layers, name, spec=small)
        assert (code, said) == (FaultCode.DEPENDENCY_TOO_LARGE, "more than 16 MiB or 200 files"), (name, said)
    assert not [path for path in folder.iterdir() if path.is_dir()]


@pytest.fixture
def silent_index() -> Iterator[str]:
    """The URL of an index that accepts connections and never answers."""
    quiet = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            quiet.wait(60)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        quiet.set()
        server.shutdown()
        server.server_close()


def test_waiting_ends_with_the_limit_or_with_the_callers_wish(silent_index: str, folder: Path) -> None:
    layers = layers_at(folder, silent_index)
    hasty = DependenciesSpec(mode="any", install_wall_s=4.0)
    with pytest.raises(InstallerFailure, match="after 4 s the package index had not sent everything"):
        install(layers, "plain", spec=hasty)  # nobody's fault but the index's
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(InstallInterrupted):
        layers.resolve(ScriptBlock(("plain",)), ANY, cancel)
    assert time.monotonic() - started < 60  # the index would be silent for longer


PROGRAM = """
import sys, threading
from pathlib import Path
from lethe.evaluator.contract.script_block import ScriptBlock
from lethe.evaluator.contract.specification import DependenciesSpec
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.settings import IndexSettings, LayerSettings
layers = open_layers(LayerSettings(layers=Path(sys.argv[1])), IndexSettings(uv_default_index=sys.argv[2]))
spec, never = DependenciesSpec(mode="any"), threading.Event()
print("ready", flush=True)
sys.stdin.readline()
packages = layers.resolve(ScriptBlock((sys.argv[3],)), spec, never)
with layers.open(packages, spec, never) as layer:
    print(layer.folder, layer.folder.stat().st_ino, sorted(path.name for path in layer.folder.iterdir()))
"""


def worker(folder: Path, url: str, requirement: str) -> subprocess.Popen[str]:
    """A process that is about to install `requirement`, once it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), url, requirement],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_workers_at_once_make_one_whole_layer(index: Index, folder: Path) -> None:
    index.add_wheel("shared", "1.0", {f"shared/m{number}.py": "x = 1\n" * 500 for number in range(200)})
    workers = [worker(folder, index.url, "shared") for _ in range(2)]
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].splitlines()[-1] for process in workers]
    assert answers[0] == answers[1]
    assert answers[0].endswith("['.sha256', 'shared', 'shared-1.0.dist-info']")
    found = [path for path in folder.iterdir() if path.is_dir()]
    assert [len(list(path.glob("shared/*.py"))) for path in found] == [200]


def test_killed_worker_takes_uv_with_it_and_leaves_nothing_for_long(
    index: Index, silent_index: str, folder: Path
) -> None:
    process = worker(folder, silent_index, "plain")
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not (running := uv_processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running
    process.send_signal(signal.SIGKILL)
    process.communicate()
    while uv_processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not uv_processes(folder)
    assert list(folder.glob(".building-*"))
    install(layers_at(folder, index), "plain")
    assert not list(folder.glob(".building-*"))


def uv_processes(folder: Path) -> list[int]:
    """Processes whose working folder lies in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_old_layers_make_room_but_not_those_in_use(index: Index, folder: Path) -> None:
    for name in ("first", "second", "third"):
        index.add_wheel(name, "1.0", {f"{name}.py": ""})
    layers = layers_at(folder, index, keep_bytes=0)
    never = threading.Event()
    first = install(layers, "first")
    with layers.open(first.packages, ANY, never) as held:
        install(layers, "second")
        assert held.folder is not None
        assert held.folder.is_dir()
    third = install(layers, "third")
    assert [path for path in folder.iterdir() if path.is_dir()] == [third.folder]
    again = install(layers, "first")  # the resolution is kept, the layer is made anew
    assert imported(again, "import first; print('first' in sys.modules)") == "True"


def test_versions_stay_until_the_base_changes_and_pins_are_followed(index: Index, folder: Path) -> None:
    index.add_wheel("moving", "1.0", {"moving.py": "VALUE = 1\n"})
    layers = layers_at(folder, index)
    assert install(layers, "moving").packages == ("moving==1.0",)
    index.add_wheel("moving", "2.0", {"moving.py": "VALUE = 2\n"})
    assert install(layers_at(folder, index), "moving").packages == ("moving==1.0",)
    with layers_at(folder.with_name("other"), index).open(("moving==1.0",), ANY, threading.Event()) as pinned:
        assert imported(pinned, "import moving; print(moving.VALUE)") == "1"  # as on the worker that checked


def test_other_bits_under_the_same_version_are_told_apart(folder: Path) -> None:
    """Two workers, and an index that has another wheel under the old name by the time the second one asks."""
    digests = []
    for number, value in enumerate((1, 1, 2)):
        with open_folder() as place:
            index = Index(place)
            index.add_wheel("changing", "1.0", {"changing.py": f"VALUE = {value}\n"})
            layer = install(layers_at(folder.with_name(f"worker-{number}"), index), "changing")
            assert layer.packages == ("changing==1.0",)
            digests.append(layer.sha256)
    assert digests[0] == digests[1] != digests[2]
    assert Layer().sha256 == ""
