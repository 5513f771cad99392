"""The system calls that a guest may not make, as a BPF program compiled on the host."""

import errno
import platform
import struct
import tempfile
from functools import cache
from typing import Any

from lethe.sandbox.errors import SandboxUnavailable

_DENIED = {
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    "personality userfaultfd vmsplice pidfd_open",
    "the mount tree": "mount umount umount2 pivot_root chroot swapon swapoff fsopen fsconfig fsmount fspick move_mount "
    "open_tree mount_setattr",
    "the kernel": "bpf perf_event_open kexec_load kexec_file_load init_module finit_module delete_module create_module "
    "reboot add_key request_key keyctl syslog iopl ioperm modify_ldt acct nfsservctl lookup_dcookie uselib vhangup",
    "namespaces": "unshare setns sethostname setdomainname",
    "calls made by the kernel on one's behalf": "io_uring_setup io_uring_enter io_uring_register",
    "files by handle, disks by number, watches": "name_to_handle_at open_by_handle_at ustat quotactl quotactl_fd "
    "fanotify_init fanotify_mark inotify_init inotify_init1 inotify_add_watch mknod mknodat",
    "what the page cache holds, and the host's disks": "preadv2 pwritev2 mincore readahead fadvise64 sync syncfs",
    "clocks": "settimeofday stime adjtimex clock_settime clock_adjtime",
    "memory outside of the scratch limit": "shmget shmat semget msgget mq_open memfd_create memfd_secret",
}

_CLONE_NEW_FLAGS = (
    0x00020000,  # NEWNS
    0x02000000,  # NEWCGROUP
    0x04000000,  # NEWUTS
    0x08000000,  # NEWIPC
    0x10000000,  # NEWUSER
    0x20000000,  # NEWPID
    0x40000000,  # NEWNET
)
_CLONE_PIDFD = 0x00001000
_AF_UNIX = 1
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_SET_ID_BITS = (0o4000, 0o2000)
# Locks and watches work across runs: on a file that is open even read-only, a run could block the host's own programs
# with them. Taking a lock pretends to succeed, because torch.compile and SQLite stop without one.
_TAKE_LOCK_COMMANDS = (6, 7, 37, 38)  # SETLK, SETLKW, OFD_SETLK, OFD_SETLKW
_ASK_LOCK_COMMANDS = (5, 36)  # GETLK, OFD_GETLK
_WATCH_COMMANDS = (1024, 1026, 1036, 1038)  # SETLEASE, NOTIFY, SET_RW_HINT, SET_FILE_RW_HINT
# The kernel counts these numbers up for the whole machine, so they would tell a run how many ran before it.
_SOL_SOCKET = 1
_COUNTERS_OF_SOCKETS = (57, 71, 77)  # SO_COOKIE, SO_NETNS_COOKIE, SO_PEERPIDFD
_SO_PASSPIDFD = 76
_SO_SNDBUF = 7
# Merged pages of several runs, which the time of a write reveals; and hyperthreads reserved for one process.
_MADV_MERGEABLE = 12
_SHARING_OPTIONS = (62, 67)  # prctl: SCHED_CORE, SET_MEMORY_MERGE
_STATX_MNT_ID_UNIQUE = 0x4000
_RLIMIT_CORE = 4
_LOW_WORD = 0xFFFFFFFF

# Numbers from 424 on are the same on every architecture. 450 (set_mempolicy_home_node) is the newest that the rules
# above were written for; later calls answer ENOSYS, which programs must expect of an older kernel.
_NEWEST_KNOWN_CALL = 450


@cache
def compile_filter() -> bytes:
    """The BPF program (struct sock_filter array) for this machine; raises SandboxUnavailable without libseccomp."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise SandboxUnavailable(f"libseccomp cannot be loaded ({error}): apt-get install libseccomp2") from error
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    rules.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    denied = pyseccomp.ERRNO(errno.EPERM)
    for name in " ".join(_DENIED.values()).split():
        if _exists(pyseccomp, name):
            rules.add_rule(denied, name)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in (*_CLONE_NEW_FLAGS, _CLONE_PIDFD):
        rules.add_rule(denied, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for call in ("socket", "socketpair"):
        rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), call, pyseccomp.Arg(0, pyseccomp.NE, _AF_UNIX))
    for request in (_TIOCSTI, _TIOCLINUX):
        rules.add_rule(denied, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _LOW_WORD, request))
    for call, position in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2)):
        if _exists(pyseccomp, call):
            for bit in _SET_ID_BITS:
                rules.add_rule(denied, call, pyseccomp.Arg(position, pyseccomp.MASKED_EQ, bit, bit))
    _deny_shared_state(pyseccomp, rules)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _deny_shared_state(pyseccomp: Any, rules: Any) -> None:
    """Refuse calls that reveal or block other runs through objects that the kernel shares between runs."""

    def low_word(position: int, value: int) -> Any:
        return pyseccomp.Arg(position, pyseccomp.MASKED_EQ, _LOW_WORD, value)

    denied, pretended = pyseccomp.ERRNO(errno.EPERM), pyseccomp.ERRNO(0)
    rules.add_rule(pretended, "flock")
    for command in _TAKE_LOCK_COMMANDS:
        rules.add_rule(pretended, "fcntl", low_word(1, command))
    for command in _ASK_LOCK_COMMANDS:
        rules.add_rule(pyseccomp.ERRNO(errno.ENOLCK), "fcntl", low_word(1, command))
    for command in _WATCH_COMMANDS:
        rules.add_rule(denied, "fcntl", low_word(1, command))
    for option in _COUNTERS_OF_SOCKETS:
        rules.add_rule(denied, "getsockopt", low_word(1, _SOL_SOCKET), low_word(2, option))
    rules.add_rule(denied, "setsockopt", low_word(1, _SOL_SOCKET), low_word(2, _SO_PASSPIDFD))
    # The size is only a hint to the kernel, too; without cgroups, the memory of sockets is estimated from their number.
    rules.add_rule(pretended, "setsockopt", low_word(1, _SOL_SOCKET), low_word(2, _SO_SNDBUF))
    rules.add_rule(denied, "madvise", low_word(2, _MADV_MERGEABLE))
    for option in _SHARING_OPTIONS:
        rules.add_rule(denied, "prctl", low_word(0, option))
    unique = pyseccomp.Arg(3, pyseccomp.MASKED_EQ, _STATX_MNT_ID_UNIQUE, _STATX_MNT_ID_UNIQUE)
    rules.add_rule(pyseccomp.ERRNO(errno.EINVAL), "statx", unique)
    # RLIMIT_CORE stays at 1 byte: at 0, a crash would still be piped to the host's crash reporter.
    rules.add_rule(denied, "setrlimit", low_word(0, _RLIMIT_CORE))
    rules.add_rule(denied, "prlimit64", low_word(1, _RLIMIT_CORE), pyseccomp.Arg(2, pyseccomp.NE, 0))


def compile_cutoff() -> bytes:
    """A second BPF program: calls newer than the rules answer ENOSYS.

    x32 calls carry a high bit and so are caught here as well, should the first filter ever let them pass.
    """
    load_number, jump_if_greater, answer = 0x20, 0x25, 0x06
    return b"".join(
        (
            struct.pack("=HBBI", load_number, 0, 0, 0),
            struct.pack("=HBBI", jump_if_greater, 0, 1, _NEWEST_KNOWN_CALL),
            struct.pack("=HBBI", answer, 0, 0, 0x00050000 | errno.ENOSYS),
            struct.pack("=HBBI", answer, 0, 0, 0x7FFF0000),
        )
    )


def supported() -> bool:
    """Whether the rules were written for this machine's architecture."""
    return platform.machine() in {"x86_64", "aarch64"}


def _exists(pyseccomp: object, name: str) -> bool:
    try:
        return int(pyseccomp.resolve_syscall(pyseccomp.system_arch(), name)) >= 0  # type: ignore[attr-defined]
    except (ValueError, OSError):
        return False
