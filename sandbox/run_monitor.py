"""The host's side of one run: hands over the request, watches the limits, kills, and judges how the run ended."""

import contextlib
import json
import os
import select
import selectors
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.sandbox.cgroups import CgroupTree, RunGroup, Usage
from lethe.sandbox.errors import SandboxFailure
from lethe.sandbox.gpu import GpuWatch
from lethe.sandbox.jail import Jail
from lethe.sandbox.pipes import Reader, Writer, open_pipe
from lethe.sandbox.policy import Policy
from lethe.sandbox.process_usage import held_bytes, memory_bytes, memory_kills, processor_s
from lethe.sandbox.request import Request
from lethe.sandbox.result import RunResult
from lethe.sandbox.verdict import EndedRun, KillReason, judge

_SETUP_S = 60.0  # forking, the cgroup and the namespaces, on a machine under load
_KILL_S = 10.0  # from SIGKILL to the last process being gone
_TICK_S = 0.05
_REPORT_BYTES = 1 << 18
# A guest that keeps printing is only cut; one that does nothing else is stopped, because reading costs the host CPU.
_FLOOD_FACTOR = 256


@dataclass(slots=True)
class _RunState:
    """What the host has learned of the run so far."""

    supervisor: int | None = None
    """A pidfd."""
    supervisor_pid: int | None = None
    reaper: int | None = None
    """A pidfd; killing this process kills the run."""
    guest_pid: int | None = None
    started_at: float | None = None
    counted_until: float = 0.0
    """The time until which the run has been charged to the allowance."""
    ended: dict[str, Any] | None = None
    """The supervisor's last message."""
    hung_up: bool = False
    killed: KillReason | None = None
    killed_at: float = 0.0
    waited_s: float | None = None
    spent_s: float = 0.0
    """Processor time of all processes of the run when its wall-clock limit ended it."""


def monitor_run(jail: Jail, cgroups: CgroupTree, policy: Policy, request: Request) -> RunResult:
    """Return the result of `request` in `jail`; raises SandboxFailure when the sandbox, not the guest, is to blame."""
    with contextlib.ExitStack() as stack:
        try:
            group = cgroups.create_group(policy)
        except OSError as error:
            raise SandboxFailure(f"the run's control group could not be made: {error}") from error
        if group is not None:
            stack.callback(_remove_group, group)
        return _RunMonitor(jail, policy, request, group, stack).result()


def _remove_group(group: RunGroup) -> None:
    group.kill()
    with contextlib.suppress(OSError):  # closing the sandbox removes it
        group.remove()


class _RunMonitor:
    """The pipes and the loop of one run. Every descriptor is closed when `stack` unwinds."""

    def __init__(
        self, jail: Jail, policy: Policy, request: Request, group: RunGroup | None, stack: contextlib.ExitStack
    ) -> None:
        self._jail, self._policy, self._request, self._group = jail, policy, request, group
        self._stack = stack
        self._state = _RunState()
        self._selector = stack.enter_context(selectors.DefaultSelector())
        self._socket, guest_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(self._socket)
        guest_ends = [guest_socket.detach()]
        try:
            request_fd = self._pipe(guest_ends, host_reads=False)
            self._payload = Reader(self._pipe(guest_ends), policy.output_bytes)
            self._report = Reader(self._pipe(guest_ends), _REPORT_BYTES)
            self._stdout = Reader(self._pipe(guest_ends), policy.log_bytes)
            self._stderr = Reader(self._pipe(guest_ends), policy.log_bytes)
            self._writer = Writer(request_fd, memoryview(request.encoded()))
            jail.spawn(guest_ends)
        finally:
            for fd in guest_ends:
                os.close(fd)
        self._readers = (self._payload, self._report, self._stdout, self._stderr)
        self._selector.register(self._socket, selectors.EVENT_READ)
        for reader in self._readers:
            self._selector.register(reader.fd, selectors.EVENT_READ, reader)
        self._memory_kills = 0 if self._is_memory_counted else memory_kills()
        self._opened_at = self._measured_at = time.monotonic()
        self._gpu = GpuWatch(request.gpu, policy.gpu_memory_bytes) if request.gpu is not None else None
        if self._gpu is not None:
            stack.callback(self._gpu.close)

    def result(self) -> RunResult:
        try:
            return self._follow()
        except BaseException:
            self._kill_processes()  # nothing may run on unwatched, even when the host is interrupted
            raise

    def _follow(self) -> RunResult:
        state = self._state
        while state.ended is None and not state.hung_up:
            for key, _ in self._selector.select(_TICK_S):
                if key.fileobj is self._socket:
                    self._receive()
                elif isinstance(key.data, Reader):
                    key.data.pump()
                    if key.data.ended:
                        self._selector.unregister(key.fd)
                elif not self._writer.pump():
                    self._selector.unregister(key.fd)
            self._watch()
        ended_at = time.monotonic()
        self._await_end()
        started_at = state.started_at if state.started_at is not None else ended_at
        return judge(self._ended_run(ended_at - started_at))

    def _pipe(self, guest_ends: list[int], *, host_reads: bool = True) -> int:
        host, guest = open_pipe(host_reads=host_reads)
        self._stack.callback(os.close, host)
        guest_ends.append(guest)
        return host

    def _receive(self) -> None:
        """Receive one message of the supervisor: hello, started, or how the run ended."""
        state = self._state
        try:
            message, fds, _, _ = socket.recv_fds(self._socket, 4096, 2, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            message, fds = b"", []
        for fd in fds:
            self._stack.callback(os.close, fd)
        if not message:
            state.hung_up = True
        elif state.supervisor is None:
            state.supervisor = fds[0]
            # The first change of a group waits some 8 ms for all processors, a second one soon after does not. So move
            # the supervisor while it prepares the run: the guest then moves without the wait.
            state.supervisor_pid = self._attach(fds[0])
        elif state.started_at is None and len(fds) == 2:
            state.reaper = fds[0]
            state.guest_pid = self._attach(fds[1])  # it may have been forked before its supervisor was in the group
            state.started_at = state.counted_until = time.monotonic()
            self._selector.register(self._writer.fd, selectors.EVENT_WRITE)
        else:
            state.ended = json.loads(message)

    def _attach(self, pidfd: int) -> int | None:
        """Put a process, and with it all its later forks, into the run's group; return its id, None when it is gone."""
        try:
            pid = _pid_of(pidfd)
        except ProcessLookupError:
            return None  # the next message or hang-up tells
        if self._group is not None:
            try:
                self._group.attach(pid)
            except ProcessLookupError:
                return None
            except OSError as error:
                self._kill_processes()
                raise SandboxFailure(f"the run could not be put into its control group: {error}") from error
        return pid

    def _watch(self) -> None:
        """Kill the run when it exceeds a limit that the host enforces."""
        state, policy, now = self._state, self._policy, time.monotonic()
        if state.killed is not None:
            if now - state.killed_at > _KILL_S:
                self._kill_processes()
                raise SandboxFailure(f"a run could not be killed within {_KILL_S:g} s")
            return
        if self._request.cancel is not None and self._request.cancel.is_set():
            self._kill(KillReason.CANCELLED)
        elif state.started_at is None:
            if now - self._opened_at > _SETUP_S:
                self._kill_processes()
                raise SandboxFailure(f"a run had not started after {_SETUP_S:g} s")
        elif now - state.started_at > policy.wall_s:
            state.waited_s = _waited_s(state.guest_pid)
            state.spent_s = 0.0 if state.supervisor_pid is None else processor_s(state.supervisor_pid)
            self._kill(KillReason.WALL)
        elif not self._is_allowed(now):
            self._kill(KillReason.TOTAL)
        elif self._payload.truncated or self._report.truncated:
            self._kill(KillReason.PAYLOAD)
        elif max(self._stdout.total_bytes, self._stderr.total_bytes) > _FLOOD_FACTOR * policy.log_bytes:
            self._kill(KillReason.FLOOD)
        elif now - self._measured_at >= _TICK_S:
            self._measured_at = now
            self._measure()

    def _measure(self) -> None:
        """Kill the run when it exceeds a limit whose measurement takes a while."""
        state = self._state
        usage = self._usage()
        if (usage.cpu_s or 0.0) > self._policy.cpu_s:
            self._kill(KillReason.CPU)
        elif self._exceeds_memory(usage):
            self._kill(KillReason.MEMORY)
        elif usage.foreign_kills:
            self._kill_processes()  # the kernel killed one of them; the end of the others is judged below
        elif self._gpu is not None and state.supervisor_pid and self._gpu.exceeded(state.supervisor_pid):
            self._kill(KillReason.GPU_MEMORY)

    def _is_allowed(self, now: float) -> bool:
        """Charge the time since the last call to the allowance of all runs; False when it is used up."""
        if self._request.allowance is None:
            return True
        passed_s, self._state.counted_until = now - self._state.counted_until, now
        return self._request.allowance.use(passed_s)

    def _usage(self) -> Usage:
        return Usage(None, None, 0, 0) if self._group is None else self._group.usage()

    @property
    def _is_memory_counted(self) -> bool:
        return self._group is not None and self._group.limits_memory

    def _exceeds_memory(self, usage: Usage) -> bool:
        if self._is_memory_counted:
            # The kernel has killed one process of the run; version 1 leaves the others running.
            return usage.memory_hits > 0
        pid = self._state.supervisor_pid
        if pid is None:
            return False
        # The supervisor is an idle fork of the zygote, so it holds exactly the memory that the guest inherited.
        return memory_bytes(pid, inherited_bytes=held_bytes(pid)) > self._policy.memory_bytes

    def _was_killed_for_others(self, usage: Usage, wait_status: int | None) -> bool:
        """Whether the run died of a lack of memory that is not its own.

        Where no group counts the run's memory, the kernel's count of such kills and the run's end tell it together: a
        run that kills itself just then is repeated, too.
        """
        if self._is_memory_counted:
            return usage.foreign_kills > 0
        was_killed = (
            wait_status is not None and os.WIFSIGNALED(wait_status) and os.WTERMSIG(wait_status) == signal.SIGKILL
        )
        return was_killed and memory_kills() > self._memory_kills

    def _kill(self, reason: KillReason) -> None:
        self._state.killed = reason
        self._state.killed_at = time.monotonic()
        self._kill_processes()

    def _kill_processes(self) -> None:
        # The reaper's whole namespace dies with it; the supervisor lives on and reports. Before there is a reaper, the
        # supervisor is the only process.
        target = self._state.reaper if self._state.reaper is not None else self._state.supervisor
        if target is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(target, signal.SIGKILL)

    def _await_end(self) -> None:
        """Wait until every process of the run is gone, then read the rest from the pipes."""
        for fd in (self._state.reaper, self._state.supervisor):
            if fd is not None and not select.select([fd], [], [], _KILL_S)[0]:
                if self._group is not None:
                    self._group.kill()
                raise SandboxFailure(f"processes of a run were still there after {_KILL_S:g} s")
        for reader in self._readers:
            reader.drain()

    def _ended_run(self, wall_s: float) -> EndedRun:
        state = self._state
        usage = self._usage()
        if state.ended is None and state.killed is None and not usage.memory_hits:
            raise SandboxFailure(
                "the supervisor of a run vanished" if self._jail.alive else "the jail ended during a run"
            )
        ended = state.ended or {}
        if "failed" in ended:
            raise SandboxFailure(f"a run could not be isolated: {ended['failed']}")
        if state.killed is None and self._was_killed_for_others(usage, ended.get("wait_status")):
            raise SandboxFailure(
                "the kernel killed a run that was below its limit, because the machine or the worker's own group "
                "had no memory left: use fewer slots (LETHE_SLOTS), or give the worker more memory"
            )
        return EndedRun(
            wait_status=ended.get("wait_status"),
            killed=state.killed,
            waited_s=state.waited_s,
            peak_gpu_memory_bytes=None if self._gpu is None else self._gpu.peak_bytes,
            usage=usage,
            # The supervisor does not learn what processes used that were killed with the run.
            guest_cpu_s=max(ended.get("cpu_s") or 0.0, state.spent_s) or None,
            wall_s=wall_s,
            payload=self._payload,
            report=self._report,
            stdout=self._stdout,
            stderr=self._stderr,
            source_lines=self._request.source.count(b"\n") + 1,
        )


def _waited_s(pid: int | None) -> float | None:
    """The seconds in which the process's first thread was ready and had no processor; None where it is not told."""
    try:
        return None if pid is None else int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return None


def _pid_of(pidfd: int) -> int:
    """The process id behind `pidfd` in this process's own namespace; raises ProcessLookupError when it is gone."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "Pid" and int(value) > 0:
            return int(value)
    raise ProcessLookupError("the process has ended")
