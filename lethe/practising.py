"""`lethe.practice`: what a competition gives to practise on, in a notebook, and scores of functions on it."""

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lethe.evaluator.contract.practice import FEWEST_RUNS, MOST_RUNS, PracticeFacts, classes_text
from lethe.evaluator.errors import EvaluatorError
from lethe.function_source import source_of

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import DataLoader

    from lethe.evaluator.artifacts.practice_bundle import PracticeBundle
    from lethe.evaluator.data.loaders import Loaders, Sample
    from lethe.evaluator.practice import CheckResult
    from lethe.evaluator.practice import Practice as OpenPractice
    from lethe.evaluator.practice_score import PracticeScore


class UnlearningFailed(EvaluatorError):
    """A function failed in a run. `code` is one of the error codes of submissions, `line` that of `Practice.source`."""

    def __init__(self, code: str, message: str, line: int | None) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


def practice(slug: str, *, server: str | None = None) -> "Practice":
    """Return what a competition gives to practise on; download it, unless it is here.

    server: its address, by default that of LETHE_SERVER, then of `lethe login`. Without an answer of the server the
    copy that is here is used, and its age is told. Needs Linux and the extra `worker`; raises ModuleNotFoundError
    without it, ApiError as downloads do, BundleInvalid for the bundle of another version of Lethe, and
    NetworkUnconfirmed where its network is a host's module that `lethe practice SLUG` has not shown here.
    """
    if find_spec("torch") is None:
        raise ModuleNotFoundError(
            "lethe.practice needs torch: install Lethe with its extra, in a checkout: pip install '.[worker]'",
            name="torch",
        )
    from lethe.server.cli.practice import obtain_bundle, practice_folder
    from lethe.server.client.trusted_networks import require_trusted

    bundle, folder = obtain_bundle(slug, server, yes=True).open(), practice_folder()
    require_trusted(bundle.facts, folder)
    return Practice(bundle, folder)


class Practice:
    """The practice data, network and oracles of one competition; `lethe.practice` makes it.

    `net`, `retain`, `forget` and `validation` are what `unlearning` is given, but on the CPU.
    """

    def __init__(self, bundle: "PracticeBundle", folder: Path) -> None:
        self._bundle = bundle
        self._folder = folder

    @property
    def facts(self) -> PracticeFacts:
        """Title, classes, architecture, limits, and the recipe of network and oracles."""
        return self._bundle.facts

    @property
    def net(self) -> "nn.Module":
        """The practice network, a fresh copy at each access: keep it in a variable to change it."""
        from torch import from_numpy

        from lethe.evaluator.models import build_model

        net = build_model(self.facts.architecture, self.facts.classes)
        net.load_state_dict({name: from_numpy(values) for name, values in self._bundle.weights().items()})
        return net.eval()

    @property
    def retain(self) -> "DataLoader[Sample]":
        """The retain set, shuffled by torch's global generator; the same loader at each access, as the other two."""
        return self._loaders.retain

    @property
    def forget(self) -> "DataLoader[Sample]":
        """The forget set."""
        return self._loaders.forget

    @property
    def validation(self) -> "DataLoader[Sample]":
        """The validation set."""
        return self._loaders.validation

    @cached_property
    def _loaders(self) -> "Loaders":
        from torch import from_numpy

        from lethe.evaluator.data.loaders import make_loaders

        tensors = {name: from_numpy(values) for name, values in self._bundle.visible().items()}
        return make_loaders(tensors, self.facts.batch_size, self.facts.classes)

    def source(self, unlearning: Callable[..., Any]) -> str:
        """Return the file that `score` runs, which can be submitted.

        It has the function and whatever of the notebook's other cells it uses: functions, classes, imports and plain
        values; for a function of an imported module it is that module's file. Raises SourceUnclear, which says what to
        change.
        """
        return source_of(unlearning)

    def score(self, unlearning: Callable[..., Any], *, runs: int = 16) -> "PracticeScore":
        """Run a function and return its score against the practice oracles, as `lethe check` does.

        runs: how many are scored, 8 to 64; two more come first and show what the function prints. All run in the
        sandbox, or, with a warning, in plain processes where this machine has none. Raises UnlearningFailed when the
        function fails, SourceUnclear as `source` does, ValueError for a wrong number of runs, and PracticeFailed when
        this machine does.
        """
        if not FEWEST_RUNS <= runs <= MOST_RUNS:
            raise ValueError(f"runs are {FEWEST_RUNS} to {MOST_RUNS}, not {runs}")
        from lethe.evaluator.practice import PracticeFailed

        source = self.source(unlearning).encode()
        with self._opened() as opened:
            result = opened.check(source, scored_runs=runs)
        _tell(result)
        fault, trace = result.fault, result.report.traceback.strip()
        if fault is not None:
            place = f" (line {fault.line} of practice.source)" if fault.line else ""
            message = "\n".join((f"{fault.code}{place}: {fault.message}", *([trace] if trace else [])))
            raise UnlearningFailed(fault.code.value, message, fault.line)
        if result.score is None:
            raise PracticeFailed("the runs ended without a score")
        return result.score

    @contextmanager
    def _opened(self) -> "Iterator[OpenPractice]":
        """Open the practice data in the sandbox, or else in plain processes."""
        from lethe.evaluator.practice import open_practice
        from lethe.evaluator.settings import LayerSettings
        from lethe.sandbox import Backend, SandboxUnavailable
        from lethe.server.cli.progress import training_progress

        with ExitStack() as stack:
            given: dict[str, Any] = {
                "store_folder": self._folder,
                "scratch": Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lethe-practice-"))),
                "progress": stack.enter_context(training_progress()),
            }
            try:
                opened = stack.enter_context(open_practice(self._bundle, **given))
            except SandboxUnavailable as error:
                told = "There is no sandbox here, so the function runs in plain processes that may do what you may"
                warnings.warn(f"{told}: {error}", stacklevel=4)
                settings = LayerSettings(sandbox_backend=Backend.UNSAFE)
                unsafe = open_practice(self._bundle, settings=settings, allow_unsafe=True, **given)
                opened = stack.enter_context(unsafe)
            yield opened

    def __repr__(self) -> str:
        images = ", ".join(f"{part} {count:,}" for part, count in self._bundle.images().items())
        facts = self.facts
        classes = classes_text(facts.classes, facts.class_names)
        return (
            f"{facts.slug}: {facts.title}\nimages: {images}; {classes}\nnetwork {facts.network.name}, "
            f"practice oracles: {facts.oracles}; a run may take {facts.limits.run_wall_s:g} s"
        )


def _tell(result: "CheckResult") -> None:
    """Print what the first run printed, and advice on the function, as `lethe check` does."""
    report = result.report
    for part in (report.stdout, report.stderr):
        if part.strip():
            sys.stdout.write(f"{part.rstrip()}\n")
    for advice in report.advice:
        sys.stderr.write(f"{advice}: {advice.text}\n")
