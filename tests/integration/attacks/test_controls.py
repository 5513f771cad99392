"""The corpus can fail: with its layer taken away, an attack succeeds or the runner says that it was not contained."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

import lethe.attacks.attack_bench
import lethe.attacks.runner
import lethe.sandbox.pipes
import lethe.sandbox.sandbox
import lethe.sandbox.verdict
from lethe.attacks.attack_bench import PLAIN_POLICY, AttackBench
from lethe.attacks.case import Case, Layer, MalformedCase, load_cases, read_case
from lethe.attacks.observation import REVIEWED, REVIEWED_AT_ONCE, REVIEWED_FRESH
from lethe.attacks.plants import DEVICES, Plants, jailed_processes
from lethe.attacks.runner import AttackFinding, run_case
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.inference.service import InferenceFailure, InferenceService
from lethe.evaluator.run_reports import fault_of
from lethe.sandbox import Backend, open_sandbox
from lethe.sandbox.verdict import EndedRun
from tests.integration.attacks.conftest import CASES, ROOT, UID

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(120)]

ALLOW_EVERYTHING = bytes.fromhex("060000000000ff7f")
Alone = Callable[[Case], bytes]


def breach(case: Case, bench: AttackBench) -> str:
    """Why the runner finds that `case` is not contained."""
    verdict = run_case(case, bench)
    assert verdict.finding is AttackFinding.BREACHED, verdict
    return verdict.reason


@contextmanager
def weakened(policy: Any = PLAIN_POLICY) -> Iterator[AttackBench]:
    """An bench whose plain sandbox keeps `policy`, and whatever was patched before it was opened."""
    with AttackBench() as bench:
        for stage in (Stage.CHECK, Stage.RUN):
            bench._plain[stage] = bench._stack.enter_context(open_sandbox(bench.plain_setup(stage), policy))
        yield bench


@pytest.mark.parametrize(
    "name",
    [
        "read_host_files",
        "follow_links",
        "climb_out",
        "search_process_files",
        "inherited_descriptors",
        "host_environment",
        "host_shared_memory",
        "write_outside",
        "connect_tcp",
        "connect_unix_sockets",
        "other_families",
        "signal_processes",
        "count_processes",
        "leave_files",
        "leave_objects",
        "machine_counters",
        "page_cache",
    ],
)
def test_without_a_jail_it_gets_what_it_wants(name: str, without_a_jail: Alone, plants: Plants) -> None:
    loot = without_a_jail(CASES[name])
    assert loot != b""
    if name in {"read_host_files", "follow_links", "climb_out", "host_environment", "host_shared_memory"}:
        assert plants.gives_away_secret(loot)
    if name in {"write_outside", "connect_tcp", "connect_unix_sockets", "signal_processes"}:
        assert plants.disturbance() is not None


def test_without_a_jail_datagrams_arrive(without_a_jail: Alone, plants: Plants) -> None:
    case = CASES["send_datagrams"]
    local = case.source.replace(b"192.0.2.53", b"127.0.0.1").replace(b"255.255.255.255", b"127.0.0.1")
    assert without_a_jail(replace(case, source=local)) != b""
    assert plants.disturbance() == "something reached the listener udp"


def test_without_a_jail_flags_of_a_shared_input_last(bench: AttackBench, without_a_jail: Alone) -> None:
    """Two processes with one standard input, as guests had when they kept the zygote's."""
    once = replace(CASES["leave_flags_on_input"], runs=1)
    with Path("/dev/null").open() as shared:
        kept = os.dup(0)
        os.dup2(shared.fileno(), 0)
        try:
            assert without_a_jail(once) == b""
            assert without_a_jail(once) != b""
        finally:
            os.dup2(kept, 0)
            os.close(kept)


def test_without_a_jail_times_of_devices_can_be_set(
    without_a_jail: Alone, plants: Plants, devices_lock: IO[bytes]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs the host's own device nodes")
    fcntl.flock(devices_lock, fcntl.LOCK_EX)
    before = {path: path.stat() for path in DEVICES}
    try:
        assert b"was set" in without_a_jail(CASES["leave_times_on_devices"])
        assert plants.disturbance() == "the times of the host's device nodes were set"
    finally:
        for path, status in before.items():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "name",
    [
        "new_namespaces",
        "kernel_keyrings",
        "kernel_objects",
        "calls_by_proxy",
        "look_into_the_kernel",
        "merge_pages",
        "watch_files",
        "newer_calls",
        "files_by_handle",
        "set_id_bits",
        "make_devices",
        "core_dump",
        "machine_counters",
        "disks_by_number",
        "page_cache",
        "file_locks",
        "record_locks",
        "where_pages_are",
        "asynchronous_requests",
        "state_of_the_machine",
        "flush_the_disks",
    ],
)
def test_without_the_filter_it_succeeds(name: str, unfiltered: AttackBench) -> None:
    if CASES[name].machine not in (None, os.uname().machine):
        pytest.skip(f"written for {CASES[name].machine}")
    breach(CASES[name], unfiltered)


@pytest.fixture(scope="module")
def unfiltered() -> Iterator[AttackBench]:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # no longer than that: the corpus may use the same process
            patch.setattr(lethe.sandbox.sandbox, "compile_filters", lambda **_: (ALLOW_EVERYTHING,))
            bench = stack.enter_context(weakened())
        yield bench


@pytest.mark.parametrize("backend", [Backend.ZYGOTE, Backend.FRESH])
def test_a_folder_that_runs_share_is_noticed(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, UID, UID)
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    build = lethe.sandbox.sandbox.build_command

    def build_with_a_shared_folder(fd: int, **arguments: Any) -> list[str]:
        command = build(fd, **arguments)
        place = command.index("--remount-ro")
        return [*command[:place], "--bind", str(shared), "/shared", *command[place:]]

    monkeypatch.setattr(lethe.sandbox.sandbox, "build_command", build_with_a_shared_folder)
    source = b"def unlearning(net, retain, forget, validation):\n    open('/shared/mark', 'w').close()\n"
    with AttackBench(backend=backend) as shown:
        assert "stat of the files in /shared" in breach(replace(CASES["set_what_lasts"], source=source), shown)


def test_the_observers_lists_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs" / "leaks.md").read_text(encoding="utf-8")
    assert [
        name for name in {**REVIEWED, **REVIEWED_AT_ONCE, **REVIEWED_FRESH} if f"`{name.strip()}`" not in page
    ] == []


def test_with_other_limits_it_succeeds() -> None:
    generous = replace(PLAIN_POLICY, output_bytes=8 << 20, memory_bytes=2 << 30, file_bytes=1 << 41, open_files=4096)
    with weakened(generous) as bench:
        assert "gained something" in breach(
            replace(CASES["oversized_result"], expected=frozenset(["output_limit", "ok"])), bench
        )
        assert "saw ok" in breach(CASES["sparse_file"], bench)
        patient = CASES["hoard_at_once"].source.replace(b"1 << 45", b"1 << 28")
        assert "saw ok" in breach(replace(CASES["hoard_at_once"], source=patient), bench)


def test_text_that_is_not_made_harmless_is_noticed(bench: AttackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lethe.sandbox.verdict, lethe.sandbox.pipes):
        monkeypatch.setattr(module, "harmless", lambda text: text.encode("utf-8", "backslashreplace").decode())
    assert "cannot be stored" in breach(CASES["unprintable_message"], bench)


def test_a_line_that_is_not_compared_with_the_file_is_noticed(
    bench: AttackBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lethe.sandbox.run_monitor.EndedRun", lambda **fields: EndedRun(**{**fields, "source_lines": 1 << 31})
    )
    assert "a line that the file has not" in breach(CASES["labels_in_a_line"], bench)


def test_a_cancellation_that_is_believed_is_noticed(bench: AttackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lethe.sandbox.verdict, "_CLAIMABLE", frozenset(lethe.sandbox.Status))
    with pytest.raises(KeyError):  # the pipeline has no code for one that nobody asked for
        run_case(CASES["forged_cancellation"], bench)


def test_a_failure_of_the_sandbox_is_a_breach(bench: AttackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lethe.sandbox.SandboxFailure("the jail ended during a run")

    monkeypatch.setattr(lethe.sandbox.Sandbox, "run", fail)
    assert "the platform took the blame" in breach(CASES["read_host_files"], bench)


def test_a_dead_inference_child_is_a_breach(bench: AttackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> bytes:
        raise InferenceFailure("the inference process died (exit code -9)")

    monkeypatch.setattr(InferenceService, "compute", die)
    assert "the platform took the blame" in breach(CASES["empty_but_vast"], bench)


@pytest.mark.parametrize("name", ["labels_in_a_message", "labels_in_a_type", "labels_in_a_report", "time_bomb"])
def test_without_the_leak_policy_labels_are_shown(
    name: str, bench: AttackBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lethe.attacks.attack_bench, "fault_of", lambda result, **_: fault_of(result, is_hidden=False))
    assert "gained something" in breach(CASES[name], bench)


def test_without_the_static_check_everything_is_taken(bench: AttackBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lethe.attacks.runner, "check_source", lambda *_, **__: [])
    refused = [case for case in CASES.values() if case.layer is Layer.STATIC_CHECK and case.expected != {"ok"}]
    assert len(refused) >= 10
    for case in refused:
        assert "saw ok" in breach(case, bench)


@pytest.mark.parametrize("name", ["forged_outputs", "other_shapes", "numbers_of_other_types", "missing_tensors"])
def test_without_the_result_check_anything_is_taken(
    name: str, bench: AttackBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InferenceService, "compute", lambda *_: b"")
    assert "saw ok" in breach(CASES[name], bench)


def test_the_header_that_killed_the_child_still_would(bench: AttackBench) -> None:
    """Without our own reading of the header, the library raises what nobody expects of a reader of files."""
    from safetensors.torch import load

    result = bench.torch.resources.sandbox_pool.get(bench.torch._template, None).run(  # type: ignore[arg-type]
        CASES["empty_but_vast"].source, function="unlearning", seed=1
    )
    assert result.payload is not None
    with pytest.raises(RuntimeError, match="overflow"):
        load(result.payload)


def test_outputs_that_are_refused_are_not_finite(bench: AttackBench) -> None:
    import torch
    from safetensors.torch import load

    from lethe.attacks.torch_bench import ARCHITECTURE, CLASSES
    from lethe.evaluator.models import build_model

    result = bench.torch.resources.sandbox_pool.get(bench.torch._template, None).run(  # type: ignore[arg-type]
        CASES["infinite_outputs"].source, function="unlearning", seed=1
    )
    assert result.payload is not None
    net = build_model(ARCHITECTURE, CLASSES).eval()
    net.load_state_dict(load(result.payload))
    assert not bool(torch.isfinite(net(torch.rand(4, 3, 32, 32) * 255)).all())


def test_a_process_that_is_left_behind_is_noticed(bench: AttackBench) -> None:
    bench.prepare(CASES["daemon"], (Stage.CHECK,))
    slow = b"import time\ndef unlearning(net, retain, forget, validation):\n    time.sleep(1.2)\n"
    run = threading.Thread(target=partial(bench.plain(Stage.CHECK).run, slow, function="unlearning", seed=0))
    run.start()
    deadline = time.monotonic() + 60
    while not jailed_processes() - bench._processes_before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bench.damage() == "processes of the run are still there"
    run.join()
    assert bench.damage() is None


def test_a_file_without_its_constants_is_refused(tmp_path: Path) -> None:
    for text, complaint in (
        ("LAYER = 'limits'\nEXPECTED = 'ok'\n", "docstring"),
        ("'''Does.'''\nLAYER = 'limits'\n", "EXPECTED"),
        ("'''Does.'''\nLAYER = 'walls'\nEXPECTED = 'ok'\n", "walls"),
        ("'''Does.'''\nLAYER = 'limits'\nEXPECTED = 'fine'\n", "nobody ever sees"),
    ):
        (tmp_path / "case.py").write_text(text)
        with pytest.raises(MalformedCase, match=complaint):
            read_case("case", tmp_path / "case.py")


def test_the_corpus_is_large_and_covers_every_layer() -> None:
    cases = load_cases()
    assert len(cases) >= 60
    assert {case.layer for case in cases} == set(Layer)
    assert len({case.summary for case in cases}) == len(cases)
