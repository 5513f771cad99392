"""The open sandbox: its jail, and the call that runs a submission in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from lethe.sandbox.cgroups import CgroupTree
from lethe.sandbox.errors import SandboxUnavailable
from lethe.sandbox.gpu import device_nodes
from lethe.sandbox.identity import Identity, identity_of
from lethe.sandbox.image import Image, held_image
from lethe.sandbox.interpreter import Interpreter, find_interpreter
from lethe.sandbox.jail import (
    Jail,
    build_command,
    build_unsafe_command,
    environment_of,
    find_bwrap,
)
from lethe.sandbox.policy import Allowance, Policy
from lethe.sandbox.request import Cancellation, Request
from lethe.sandbox.result import RunResult
from lethe.sandbox.run_monitor import monitor_run
from lethe.sandbox.seccomp import compile_filters
from lethe.sandbox.setup import Backend, Setup
from lethe.sandbox.staging import staged

_SCRATCH_INODE_BYTES = 4096
_MAX_SCRATCH_INODES = 65_536


class Sandbox:
    """Runs submissions; `open_sandbox` creates it. Several threads may call `run` at once."""

    def __init__(self, setup: Setup, policy: Policy, stack: ExitStack) -> None:
        self._setup = setup
        self._policy = policy
        self._identity = identity_of(setup)
        self._cgroups = stack.enter_context(CgroupTree.create())
        self._jail: Jail | None = None
        if setup.backend is Backend.UNSAFE and not setup.allow_unsafe:
            raise SandboxUnavailable(f"{setup.backend} isolates nothing and is refused without allow_unsafe=True")
        interpreter = find_interpreter(setup.python, self._identity)
        if setup.backend is Backend.UNSAFE:
            self._open_jail = self._enter_no_jail
        else:
            bwrap = find_bwrap()
            image = stack.enter_context(
                held_image(
                    interpreter,
                    self._identity,
                    with_packages=setup.with_packages,
                    with_gpu=setup.gpu is not None,
                    is_shared=setup.shared_image,
                )
            )
            self._open_jail = partial(self._enter_jail, bwrap=bwrap, interpreter=interpreter, image=image)
        if setup.backend is not Backend.FRESH:
            self._jail = self._open_jail(stack)

    @property
    def mode(self) -> str:
        """Backend and means of limitation, for logs and receipts: `bubblewrap-zygote+cgroup1+seccomp`."""
        return mode_of(self._setup.backend, self._cgroups, self._setup.gpu)

    @property
    def identity(self) -> Identity:
        return self._identity

    def run(
        self,
        source: bytes,
        *,
        function: str,
        seed: int,
        filename: str = "submission.py",
        cancel: Cancellation | None = None,
        allowance: Allowance | None = None,
        entry: str = "run",
    ) -> RunResult:
        """Call `function` of `source` once and return the result.

        source: the submitted file, called `filename` in tracebacks. seed: in [0, 2^63), passed to the harness.
        cancel: when set, the run is killed and ends as `cancelled`. allowance: the time that several runs share; when
        it is used up, they end as `timeout`. entry: the function of the harness that the guest calls. Raises
        SandboxFailure when the sandbox breaks.
        """
        request = Request(source, filename, function, seed, cancel, allowance, self._setup.gpu, entry)
        if self._jail is not None:
            return monitor_run(self._jail, self._cgroups, self._policy, request)
        with ExitStack() as stack:
            return monitor_run(self._open_jail(stack), self._cgroups, self._policy, request)

    def _enter_jail(self, stack: ExitStack, *, bwrap: str, interpreter: Interpreter, image: Image) -> Jail:
        setup, policy, identity = self._setup, self._policy, self._identity
        config = _config(policy, self._cgroups) | {
            "harness_module": setup.harness_module,
            "layers": [f"/sandbox/layers/{index}" for index in range(len(setup.extra_paths))],
            "seccomp": [program.hex() for program in compile_filters(with_gpu=setup.gpu is not None)],
        }
        command_for = partial(
            build_command,
            bwrap=bwrap,
            setup=setup,
            policy=policy,
            identity=identity,
            interpreter=interpreter,
            staging=stack.enter_context(staged(setup, identity, config)),
            image=image,
            gpu_nodes=device_nodes(setup.gpu) if setup.gpu is not None else (),
        )
        return stack.enter_context(Jail(command_for, setup, identity, image=image))

    def _enter_no_jail(self, stack: ExitStack) -> Jail:
        setup, identity = self._setup, self._identity
        config = _config(self._policy, self._cgroups) | {
            "harness_module": setup.harness_module,
            "layers": [str(folder) for folder in setup.extra_paths],
        }
        staging = stack.enter_context(staged(setup, identity, config))
        command_for = partial(build_unsafe_command, setup=setup, staging=staging)
        return stack.enter_context(Jail(command_for, setup, identity, environment_of(self._policy)))


@contextmanager
def open_sandbox(setup: Setup, policy: Policy | None = None) -> Iterator[Sandbox]:
    """Open a sandbox that is ready to run; leaving the block closes it with everything in it.

    Raises SandboxUnavailable when this machine lacks something (the message says what to do), SandboxFailure when the
    jail or the harness does not start, OSError when an input cannot be read.
    """
    with ExitStack() as stack:
        yield Sandbox(setup, policy or Policy(), stack)


def mode_of(backend: Backend, cgroups: CgroupTree, gpu: int | None = None) -> str:
    """`backend+cgroup2|cgroup1|rlimits+seccomp+gpu`; without seccomp where nothing is isolated."""
    means = f"cgroup{cgroups.version}" if cgroups.limits_memory else "rlimits"
    parts = [
        str(backend),
        means,
        *([] if backend is Backend.UNSAFE else ["seccomp"]),
        *([] if gpu is None else ["gpu"]),
    ]
    return "+".join(parts)


def _config(policy: Policy, cgroups: CgroupTree) -> dict[str, object]:
    return {
        "scratch_bytes": policy.scratch_bytes,
        "scratch_inodes": min(max(policy.scratch_bytes // _SCRATCH_INODE_BYTES, 64), _MAX_SCRATCH_INODES),
        "file_bytes": policy.file_bytes,
        "open_files": policy.open_files,
        "processes": policy.processes,
        "cpu_s": policy.cpu_s,
        "memory_bytes": policy.memory_bytes,
        "limit_data": not cgroups.limits_memory,
    }
