"""`lethe.practice` without a server: data, network, and what is said when something is missing or fails."""

from pathlib import Path
from typing import Any

import pytest
import torch

import lethe
from lethe.evaluator.artifacts.practice_bundle import open_bundle
from lethe.practising import Practice
from tests.practice_bundles import playable


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Practice:
    folder = tmp_path_factory.mktemp("practice")
    (folder / "bundle.safetensors").write_bytes(playable())
    return Practice(open_bundle(folder / "bundle.safetensors"), folder)


def unlearning(net: Any, retain: Any, forget: Any, validation: Any) -> Any:
    raise ValueError("too few images")


def test_it_gives_what_a_function_is_given(practice: Practice) -> None:
    first, second = practice.net, practice.net
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert not first.training
    assert any(parameter.abs().sum() > 0 for parameter in second.parameters())  # a copy of its own
    for part in ("retain", "forget", "validation"):
        loader = getattr(practice, part)
        inputs, targets = next(iter(loader))
        assert (inputs.shape[1:], inputs.dtype, targets.dtype) == ((3, 16, 16), torch.float32, torch.int64)
        assert len(loader.dataset) == practice._bundle.images()[part]
    assert second(inputs).shape == (len(targets), practice.facts.classes)
    assert repr(practice).startswith("faces: Faces\nimages: retain 32, forget 4, validation 4, test 8; 10 classes\n")


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lethe.practising.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"lethe.practice needs torch: .* pip install '\.\[worker\]'"):
        lethe.practice("faces")


@pytest.mark.parametrize("runs", [7, 65])
def test_it_refuses_numbers_of_runs(practice: Practice, runs: int) -> None:
    with pytest.raises(ValueError, match=f"runs are 8 to 64, not {runs}"):
        practice.score(unlearning, runs=runs)


@pytest.mark.slow
def test_without_a_sandbox_it_warns_and_a_failure_has_its_place(
    practice: Practice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LETHE_SANDBOX_BACKEND", "unsafe-subprocess")  # which alone is refused, as a missing bwrap is
    method = tmp_path / "method_without_a_sandbox.py"
    method.write_text("def unlearning(net, retain, forget, validation):\n    raise ValueError('too few images')\n")
    monkeypatch.syspath_prepend(tmp_path)
    import method_without_a_sandbox  # type: ignore[import-not-found]

    with (
        pytest.warns(UserWarning, match="There is no sandbox here, so the function runs in plain processes") as warned,
        pytest.raises(
            lethe.UnlearningFailed, match=r"exception \(line 2 of practice.source\).*too few images"
        ) as failed,
    ):
        practice.score(method_without_a_sandbox.unlearning, runs=8)
    assert (failed.value.code, failed.value.line) == ("exception", 2)
    assert "raise ValueError" in str(failed.value)  # the traceback
    assert warned[0].filename == __file__
