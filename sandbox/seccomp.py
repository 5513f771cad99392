"""The system calls that a guest may not make, as a BPF program compiled on the host."""

import errno
import platform
import struct
import tempfile
from functools import cache

from sandbox.errors import SandboxUnavailable

_DENIED = {
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    "personality userfaultfd vmsplice",
    "the mount tree": "mount umount umount2 pivot_root chroot swapon swapoff fsopen fsconfig fsmount fspick move_mount "
    "open_tree mount_setattr",
    "the kernel": "bpf perf_event_open kexec_load kexec_file_load init_module finit_module delete_module create_module "
    "reboot add_key request_key keyctl syslog iopl ioperm modify_ldt acct nfsservctl lookup_dcookie uselib vhangup",
    "namespaces": "unshare setns sethostname setdomainname",
    "calls made by the kernel on one's behalf": "io_uring_setup io_uring_enter io_uring_register",
    "files by handle, devices, watches": "name_to_handle_at open_by_handle_at quotactl quotactl_fd fanotify_init "
    "fanotify_mark mknod mknodat",
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
_AF_UNIX = 1
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_SET_ID_BITS = (0o4000, 0o2000)
_LOW_WORD = 0xFFFFFFFF

# Numbers from 424 on are the same on every architecture. 450 (set_mempolicy_home_node) is the newest that the rules
# above were written for; what came later answers ENOSYS, which programs must expect of an older kernel.
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
    for flag in _CLONE_NEW_FLAGS:
        rules.add_rule(denied, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for call in ("socket", "socketpair"):
        rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), call, pyseccomp.Arg(0, pyseccomp.NE, _AF_UNIX))
    for request in (_TIOCSTI, _TIOCLINUX):
        rules.add_rule(denied, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _LOW_WORD, request))
    for call, position in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2)):
        if _exists(pyseccomp, call):
            for bit in _SET_ID_BITS:
                rules.add_rule(denied, call, pyseccomp.Arg(position, pyseccomp.MASKED_EQ, bit, bit))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


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
