"""The host's ends of a run's pipes: capped and non-blocking, with untrusted content."""

import contextlib
import fcntl
import os
from dataclasses import dataclass, field

from lethe.sandbox.harmless_text import harmless

_CHUNK = 1 << 18
_PIPE_BYTES = 1 << 20


@dataclass(slots=True)
class Reader:
    """Keeps the first `keep_bytes` of a pipe and counts the rest."""

    fd: int
    keep_bytes: int
    kept: bytearray = field(default_factory=bytearray)
    total_bytes: int = 0
    ended: bool = False

    @property
    def truncated(self) -> bool:
        return self.total_bytes > self.keep_bytes

    def pump(self) -> None:
        """Read once, without blocking."""
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
            return
        self.total_bytes += len(data)
        room = self.keep_bytes - len(self.kept)
        if room > 0:
            self.kept += data[:room]

    def drain(self) -> None:
        """Read until the pipe is empty; call it after all writers have exited."""
        while not self.ended:
            before = self.total_bytes
            self.pump()
            if self.total_bytes == before:
                return

    def text(self) -> str:
        """The kept bytes as harmless text; bytes that are not UTF-8 are replaced."""
        text = harmless(self.kept.decode("utf-8", "replace"))
        return f"{text}\n[cut here: {self.total_bytes} bytes were written]\n" if self.truncated else text


@dataclass(slots=True)
class Writer:
    """Writes `data` into a pipe as fast as the other end reads it."""

    fd: int
    data: memoryview

    def pump(self) -> bool:
        """Write once; False when everything is written or the reader is gone."""
        try:
            self.data = self.data[os.write(self.fd, self.data) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return len(self.data) > 0


def open_pipe(*, host_reads: bool) -> tuple[int, int]:
    """`(host end, guest end)` of a new pipe; the host's end does not block."""
    read, write = os.pipe2(os.O_CLOEXEC)
    host, guest = (read, write) if host_reads else (write, read)
    os.set_blocking(host, False)
    with contextlib.suppress(OSError):  # then reads are smaller, and more of them
        fcntl.fcntl(host, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return host, guest
