"""Files that pass the static check and fail when they run: each gets its code and stops nobody else."""

from pathlib import Path

import pytest

from tests.system.conftest import Installation, submit, wait

HEADER = "import torch\ndef unlearning(net, retain, forget, validation):\n"
FAILING = {
    "missing package": ("import not_installed_anywhere\n" + HEADER + "    pass\n", "import_error", 1),
    "exception": (HEADER + "    x = 1\n    raise ValueError('so it goes')\n", "exception", 4),
    "sys.exit": ("import sys\n" + HEADER + "    sys.exit(0)\n", "exit", 4),
    "os._exit": ("import os\n" + HEADER + "    os._exit(0)\n", "exit", None),
    "endless loop": (HEADER + "    while True:\n        pass\n", "timeout", None),
    "a number": (HEADER + "    return 42\n", "no_result", None),
    "another architecture": (HEADER + "    return torch.nn.Linear(3, 4)\n", "wrong_architecture", None),
    "a wider head": (
        HEADER + "    net.fc = torch.nn.Linear(net.fc.in_features, 99)\n", "wrong_architecture", None,
    ),
    "NaN weights": (
        HEADER + "    with torch.no_grad():\n        net.fc.weight.fill_(float('nan'))\n", "not_finite", None,
    ),
    "infinite outputs": (
        HEADER + "    with torch.no_grad():\n        net.fc.weight.fill_(3e38)\n", "not_finite", None,
    ),
    "memory": (HEADER + "    hoard = [torch.ones(2**27) for _ in range(64)]\n", "out_of_memory", None),
    "crash": ("import ctypes\n" + HEADER + "    ctypes.string_at(0)\n", "killed", None),
}  # fmt: skip

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(600)]


def test_each_failure_has_its_code_and_stops_nobody(embedded: Installation) -> None:
    with embedded.register("bad") as bad, embedded.register("good") as good:
        identifiers = {name: submit(bad, source)["id"] for name, (source, _, _) in FAILING.items()}
        healthy = submit(good, (Path(__file__).parents[3] / "baselines" / "finetune.py").read_bytes())["id"]
        for name, (_, code, line) in FAILING.items():
            view = wait(bad, identifiers[name])
            assert (view["state"], view["owner"]) == ("failed", "participant"), (name, view)
            assert view["error"]["code"] == code, (name, view["error"])
            if line is not None:
                assert view["error"]["line"] == line, (name, view["error"])
            assert view["error"]["message"].endswith("."), name
            assert view["runs_done"] == 0, name  # it never touched hidden data
        trace = bad.get(f"/submissions/{identifiers['exception']}/log").json()["traceback"]
        assert "so it goes" in trace
        assert 'File "submission.py", line 4' in trace
        assert wait(good, healthy)["state"] == "scored"


def test_what_fails_only_on_hidden_data_shows_no_message(embedded: Installation) -> None:
    source = (
        HEADER + "    labels = [int(t) for _, ts in forget for t in ts]\n"
        "    if len(retain.dataset) > 150:\n        raise ValueError(f'SECRET {labels}')\n"
    )
    with embedded.register("spy") as spy:
        view = wait(spy, submit(spy, source)["id"])
        log = spy.get(f"/submissions/{view['id']}/log").text
    assert (view["state"], view["error"]["code"], view["error"]["line"]) == ("failed", "exception", None), view
    assert view["error"]["output"] is None
    assert "SECRET" not in log
