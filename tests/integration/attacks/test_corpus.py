"""Every attack is contained: all on the usual backend, on the others one for each layer, and all on request."""

import os
from collections.abc import Callable

import pytest

from lethe.attacks.attack_bench import AttackBench
from lethe.attacks.case import Case, Harness, Layer
from lethe.attacks.runner import AttackFinding, Verdict, run_case, run_cases
from lethe.sandbox import Backend
from tests.integration.attacks.conftest import CASES

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(120)]

# One for each layer, chosen to be quick and to reach far.
REPRESENTATIVES = {
    Layer.STATIC_CHECK: "disguised_code",
    Layer.FILESYSTEM: "read_host_files",
    Layer.NETWORK: "connect_unix_sockets",
    Layer.NAMESPACES: "signal_processes",
    Layer.SECCOMP: "new_namespaces",
    Layer.LIMITS: "hoard_memory",
    Layer.PIPES: "unprintable_message",
    Layer.ISOLATION: "leave_times_on_devices",
    Layer.RESULT_CHECK: "empty_but_vast",
    Layer.INFERENCE: "infinite_outputs",
    Layer.LEAK_POLICY: "time_bomb",
}
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="the corpus above ran as an ordinary user already")


def assert_contained(verdicts: list[Verdict]) -> None:
    assert [(v.case.name, v.seen, v.reason) for v in verdicts if v.finding is AttackFinding.BREACHED] == []
    assert any(v.finding is AttackFinding.CONTAINED for v in verdicts)


@pytest.mark.parametrize("case", [case for case in CASES.values() if not case.gpu], ids=lambda case: case.name)
def test_contained(case: Case, bench: AttackBench) -> None:
    (verdict,) = run_cases([case], bench)
    if verdict.finding is AttackFinding.SKIPPED:
        pytest.skip(verdict.reason)
    assert verdict.finding is AttackFinding.CONTAINED, (verdict.seen, verdict.reason)


def test_each_layer_has_its_representative() -> None:
    assert set(REPRESENTATIVES) == set(Layer)
    assert all(CASES[name].layer is layer for layer, name in REPRESENTATIVES.items())


def test_one_attack_on_each_layer_in_fresh_jails() -> None:
    with AttackBench(backend=Backend.FRESH) as fresh:
        assert_contained([run_case(CASES[name], fresh) for name in REPRESENTATIVES.values()])


@NEEDS_ROOT
def test_one_attack_on_each_layer_as_an_ordinary_user(as_ordinary_user: Callable[..., list[list[object]]]) -> None:
    names = sorted(REPRESENTATIVES.values())
    found = as_ordinary_user(Backend.ZYGOTE, names)
    assert [row for row in found if row[1] != AttackFinding.CONTAINED] == []
    assert sorted(str(row[0]) for row in found) == names


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_every_attack_in_fresh_jails() -> None:
    with AttackBench(backend=Backend.FRESH) as fresh:
        assert_contained(list(run_cases(CASES.values(), fresh)))


@pytest.mark.long
@pytest.mark.timeout(5400)
@NEEDS_ROOT
@pytest.mark.parametrize("backend", [Backend.ZYGOTE, Backend.FRESH])
def test_every_attack_as_an_ordinary_user(
    backend: Backend, as_ordinary_user: Callable[..., list[list[object]]]
) -> None:
    found = as_ordinary_user(backend, list(CASES))
    assert [row for row in found if row[1] == AttackFinding.BREACHED] == []


def test_forged_networks_change_no_outputs(bench: AttackBench) -> None:
    """What a network would answer in the jail is of no interest: outputs come from its weights, elsewhere."""
    from lethe.evaluator.contract.states import Stage

    noop = b"def unlearning(net, retain, forget, validation):\n    return net\n"
    honest = bench.torch.evaluate(noop, Stage.CHECK).check_outputs
    assert honest is not None
    for name in ("forged_forward", "evil_reduce"):
        assert CASES[name].harness is Harness.TORCH
        assert bench.torch.evaluate(CASES[name].source, Stage.CHECK).check_outputs == honest, name
