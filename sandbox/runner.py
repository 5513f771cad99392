"""The host's side: opens jails, and drives one run from request to result."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from sandbox.cgroups import CgroupTree
from sandbox.identity import Identity, identity_of
from sandbox.jail import Jail, build_command, find_bwrap, find_interpreter
from sandbox.policy import Policy
from sandbox.result import RunResult
from sandbox.run import Cancellation, Request, drive
from sandbox.setup import Backend, Setup
from sandbox.staging import staged

_SCRATCH_INODE_BYTES = 4096
_MAX_SCRATCH_INODES = 65_536


class Sandbox:
    """Runs submissions. Several threads may call `run` at once. Made by `open_sandbox`."""

    def __init__(self, setup: Setup, policy: Policy, stack: ExitStack) -> None:
        self._setup = setup
        self._policy = policy
        self._identity = identity_of(setup)
        self._cgroups = stack.enter_context(CgroupTree.create())
        self._jail: Jail | None = None
        bwrap = find_bwrap()
        interpreter = find_interpreter(setup.python, self._identity)
        self._open_jail = partial(self._enter_jail, bwrap=bwrap, interpreter=interpreter)
        if setup.backend is Backend.ZYGOTE:
            self._jail = self._open_jail(stack)

    @property
    def mode(self) -> str:
        """Backend and means of limitation, for logs and receipts: `bubblewrap-zygote+cgroup1+seccomp`."""
        return mode_of(self._setup.backend, self._cgroups)

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
    ) -> RunResult:
        """How one call of `function` in `source` went.

        source: the submitted file; `filename` is what tracebacks call it. seed: in [0, 2^63), handed to the harness.
        cancel: when set, the run is killed and ends as `cancelled`. Raises SandboxFailure when the sandbox broke.
        """
        request = Request(source, filename, function, seed, cancel)
        if self._jail is not None:
            return drive(self._jail, self._cgroups, self._policy, request)
        with ExitStack() as stack:
            return drive(self._open_jail(stack), self._cgroups, self._policy, request)

    def _enter_jail(self, stack: ExitStack, **found: object) -> Jail:
        config = _config(self._setup, self._policy, self._cgroups)
        staging = stack.enter_context(staged(self._setup, self._identity, config))
        command_for = partial(
            build_command,
            setup=self._setup,
            policy=self._policy,
            identity=self._identity,
            staging=staging,
            **found,  # type: ignore[arg-type]
        )
        return stack.enter_context(Jail(command_for, self._setup, self._identity))


@contextmanager
def open_sandbox(setup: Setup, policy: Policy | None = None) -> Iterator[Sandbox]:
    """A sandbox that is ready to run, closed on exit with everything in it.

    Raises SandboxUnavailable when this machine lacks something (the message says what to do), SandboxFailure when the
    jail or the harness does not start, OSError when an input cannot be read.
    """
    with ExitStack() as stack:
        yield Sandbox(setup, policy or Policy(), stack)


def mode_of(backend: Backend, cgroups: CgroupTree) -> str:
    """`backend+cgroup2|cgroup1|rlimits+seccomp`."""
    means = f"cgroup{cgroups.version}" if cgroups.limits_memory else "rlimits"
    return f"{backend}+{means}+seccomp"


def _config(setup: Setup, policy: Policy, cgroups: CgroupTree) -> dict[str, object]:
    return {
        "harness_module": setup.harness_module,
        "layers": len(setup.extra_paths),
        "scratch_bytes": policy.scratch_bytes,
        "scratch_inodes": min(max(policy.scratch_bytes // _SCRATCH_INODE_BYTES, 64), _MAX_SCRATCH_INODES),
        "file_bytes": policy.file_bytes,
        "open_files": policy.open_files,
        "processes": policy.processes,
        "cpu_s": policy.cpu_s,
        "memory_bytes": policy.memory_bytes,
        "limit_data": not cgroups.limits_memory,
    }
