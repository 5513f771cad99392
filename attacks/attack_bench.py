"""The bench of attacks: sandboxes that are opened on first use and kept, and the plants around them."""

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from lethe.attacks.case import OK, AuthorView, Case, Harness
from lethe.attacks.plants import Plants, jailed_processes
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.submission import FILENAME, FUNCTION
from lethe.evaluator.run_reports import fault_of
from lethe.evaluator.settings import SandboxSettings
from lethe.sandbox import Backend, Policy, RunResult, Sandbox, Setup, open_sandbox
from lethe.sandbox.setup import DEFAULT_UID

if TYPE_CHECKING:
    from lethe.attacks.torch_bench import TorchBench

MIB = 2**20
HARNESS_FILE = Path(__file__).with_name("plain_harness.py")
PLAIN_POLICY = Policy(
    wall_s=2.0,
    cpu_s=30.0,
    memory_bytes=128 * MIB,
    processes=24,
    open_files=128,
    file_bytes=8 * MIB,
    scratch_bytes=16 * MIB,
    output_bytes=MIB,
    log_bytes=4096,
)
PRACTICE_LABELS = {"retain": ["0", "1"], "forget": ["2", "3"], "validation": ["1"]}
_SEED = 20_231_130
_HEALTHY = b"def unlearning(net, retain, forget, validation):\n    return b'alive'\n"


class AttackBench:
    """Runs hostile submissions; one `with` block serves the whole corpus.

    uid: the uid of guests when this process is root. gpu: number of the GPU that guests see, None for none. Raises
    what `open_sandbox` raises when a sandbox is first used.
    """

    def __init__(self, *, backend: Backend = Backend.ZYGOTE, uid: int = DEFAULT_UID, gpu: int | None = None) -> None:
        self.backend = backend
        self.gpu = gpu
        self.uid = uid if os.geteuid() == 0 else os.geteuid()
        self.plants = Plants(self.uid)
        self._stack = contextlib.ExitStack()
        self._plain: dict[Stage, Sandbox] = {}
        self._patient: dict[Stage, Sandbox] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self.plants)
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="lethe-bench-")))
        self.plants.targets["gpu"] = self.gpu
        secret = self.plants.secret
        self._hidden_labels = {part: [secret() for _ in range(4)] for part in PRACTICE_LABELS}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def call(self, case: Case, stage: Stage) -> list[AuthorView]:
        """What the author of `case` sees of each call in `stage`; raises SandboxFailure when it broke the sandbox."""
        if case.harness is Harness.TORCH:
            return [self.torch.call(case.source, stage) for _ in range(case.runs)]
        sandbox = self.plain(stage)

        def once(number: int) -> AuthorView:
            result = sandbox.run(case.source, function=FUNCTION, seed=_SEED + number, filename=FILENAME)
            return author_view(result, stage)

        if not case.at_once:
            return [once(number) for number in range(case.runs)]
        with ThreadPoolExecutor(case.runs) as slots:
            return list(slots.map(once, range(case.runs)))

    def damage(self) -> str | None:
        """What a run left behind or broke, or None."""
        if jailed_processes() - self._processes_before:
            return "processes of the run are still there"
        for stage, sandbox in self._plain.items():
            if sandbox.run(_HEALTHY, function=FUNCTION, seed=0).payload != b"alive":
                return f"the sandbox for stage {stage} does not answer any more"
        return None

    def plain(self, stage: Stage) -> Sandbox:
        """The open sandbox with the plain harness; in stage RUN its labels are secrets."""
        if stage not in self._plain:
            self._plain[stage] = self._stack.enter_context(open_sandbox(self.plain_setup(stage), PLAIN_POLICY))
        return self._plain[stage]

    def patient(self, stage: Stage) -> Sandbox:
        """As `plain`, with time for an observer."""
        if stage not in self._patient:
            policy = replace(PLAIN_POLICY, wall_s=60.0)
            self._patient[stage] = self._stack.enter_context(open_sandbox(self.plain_setup(stage), policy))
        return self._patient[stage]

    def plain_setup(self, stage: Stage) -> Setup:
        """The setup of a jail with the plain harness."""
        return Setup(
            harness={HARNESS_FILE.name: HARNESS_FILE},
            harness_module=HARNESS_FILE.stem,
            inputs={path.name: path for path in self.plain_inputs(stage).iterdir()},
            with_packages=False,
            backend=self.backend,
            gpu=self.gpu,
            uid=self.uid,
            gid=self.uid,
        )

    def plain_inputs(self, stage: Stage) -> Path:
        """The folder of the plain harness's inputs."""
        folder = self._folder / stage
        if not folder.exists():
            folder.mkdir()
            labels = self._hidden_labels if stage is Stage.RUN else PRACTICE_LABELS
            (folder / "visible.json").write_text(json.dumps(labels), encoding="utf-8")
            self.plants.write_targets(folder)
        return folder

    @cached_property
    def torch(self) -> "TorchBench":
        """The evaluator with a small network; starting it takes seconds."""
        from lethe.attacks.torch_bench import TorchBench

        settings = SandboxSettings(sandbox_backend=self.backend, sandbox_uid=self.uid, gpu=self.gpu)
        resources = TorchBench(self._folder, self.plants, settings)
        return self._stack.enter_context(resources)

    def prepare(self, case: Case, stages: tuple[Stage, ...]) -> None:
        """Open the sandboxes that `case` needs, and remember the processes that exist before it."""
        if case.harness is Harness.TORCH:
            self.torch.warm()
        else:
            for stage in stages:
                self.plain(stage)
        self._processes_before = jailed_processes()


def author_view(result: RunResult, stage: Stage) -> AuthorView:
    """What the author sees of one run with the plain harness."""
    is_hidden = stage is Stage.RUN
    code: str = OK
    line = None
    texts: list[str] = []
    if result.payload is None:
        fault = fault_of(result, is_hidden=is_hidden)
        code, line = fault.code, fault.line
        texts.append(fault.message)
    if is_hidden:  # any text is too much here
        return AuthorView(code, line=line, loot="".join(texts).encode())
    texts += [result.stdout, result.stderr, result.error.traceback if result.error is not None else ""]
    return AuthorView(code, tuple(texts), line, result.payload or b"")
