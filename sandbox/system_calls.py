"""The system calls that a guest may make, by reason; every other answers ENOSYS, as on a kernel that has never had it.

Where a call takes a command, an option or an advice, only those listed here exist. What is *pretended* answers success
and does nothing. A call belongs here if programs need it and no answer of it depends on what another run did. `statx`
would tell numbers of mounts, and is not needed: the C library answers in its place.
"""

from collections.abc import Mapping

ALLOWED: Mapping[str, str] = {
    "memory of one's own": "brk mprotect munmap mremap",
    "processes and threads of the run": "fork vfork execve execveat exit exit_group wait4 waitid "
    "set_tid_address set_robust_list get_robust_list futex rseq restart_syscall sched_yield sched_getaffinity "
    "sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr "
    "sched_setattr sched_get_priority_max sched_get_priority_min getpriority setpriority "
    "getrlimit getrusage times arch_prctl",
    "who one is": "getpid getppid gettid getpgid getpgrp setpgid getsid setsid getuid geteuid getgid getegid "
    "getresuid getresgid getgroups capget uname getcpu getrandom umask",
    "signals": "kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend "
    "rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack signalfd signalfd4 pause",
    "clocks and timers": "clock_gettime clock_getres clock_nanosleep gettimeofday time nanosleep alarm "
    "getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create "
    "timerfd_settime timerfd_gettime",
    "reading and writing": "read write readv writev pread64 pwrite64 preadv pwritev lseek open openat openat2 "
    "creat close close_range dup dup2 dup3 sendfile copy_file_range splice tee truncate ftruncate fallocate",
    "the tree of files": "stat fstat lstat newfstatat statfs fstatfs access faccessat faccessat2 readlink "
    "readlinkat getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir rename renameat renameat2 link linkat "
    "unlink unlinkat symlink symlinkat chown fchown lchown fchownat utime utimes utimensat futimesat getxattr "
    "lgetxattr fgetxattr listxattr llistxattr flistxattr",
    "pipes and waiting": "pipe pipe2 select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait "
    "epoll_pwait epoll_pwait2 eventfd eventfd2",
    "sockets between processes of the run": "listen accept accept4 connect getsockname getpeername sendto "
    "recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown",
}

PRETENDED: Mapping[str, str] = {
    # A real lock on a shared read-only file would hold up the host's programs and other runs; torch.compile and SQLite
    # stop without one.
    "locks": "flock",
    # Everything that a run can write to is in memory, and everything else is not its to flush.
    "flushing": "fsync fdatasync sync_file_range msync",
}

NOT_SUPPORTED = "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"
"""Answer ENOTSUP, which copying a file's attributes takes for an answer."""

# fcntl: DUPFD, GETFD, SETFD, GETFL, SETFL, SETOWN, GETOWN, SETSIG, GETSIG, DUPFD_CLOEXEC, ADD_SEALS, GET_SEALS. Not the
# size of a pipe, which tells how many pages all runs of the user hold; nor leases and watches.
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 8, 9, 10, 11, 1030, 1033, 1034)
FCNTL_TAKING_LOCKS = (6, 7, 37, 38)  # SETLK, SETLKW, OFD_SETLK, OFD_SETLKW: pretended
FCNTL_ASKING_FOR_LOCKS = (5, 36)  # GETLK, OFD_GETLK: ENOLCK

# madvise: NORMAL, DONTNEED, FREE, DONTFORK, DOFORK, DONTDUMP, DODUMP, WIPEONFORK, KEEPONFORK. Nothing that makes or
# breaks huge pages, merges pages, or moves pages of files in or out of memory.
MADVISE_ADVICE = (0, 4, 8, 10, 11, 16, 17, 18, 19)
# RANDOM, SEQUENTIAL, WILLNEED, HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT
MADVISE_PRETENDED = (1, 2, 3, 14, 15, 20, 21)

# prctl: PDEATHSIG, DUMPABLE, NAME, GET_SECCOMP, CAPBSET_READ, GET_SECUREBITS, TIMERSLACK, CHILD_SUBREAPER,
# NO_NEW_PRIVS, SET_VMA (names of mappings).
PRCTL_OPTIONS = (1, 2, 3, 4, 15, 16, 21, 23, 27, 29, 30, 36, 37, 38, 39, 0x53564D41)

# ioctl without a GPU: TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2.
IOCTL_REQUESTS = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)
# With a GPU, all but TIOCSTI and TIOCLINUX: the driver's requests have no list.
IOCTL_DENIED_WITH_GPU = (0x5412, 0x541C)

SOL_SOCKET = 1
# REUSEADDR, TYPE, ERROR, BROADCAST, SNDBUF, RCVBUF, KEEPALIVE, LINGER, PEERCRED, RCVTIMEO, SNDTIMEO, ACCEPTCONN,
# PROTOCOL, DOMAIN. Not the cookies and pidfds, which count for the whole machine.
SOCKET_OPTIONS_READ = (2, 3, 4, 6, 7, 8, 9, 13, 17, 20, 21, 30, 38, 39)
# Not PASSCRED, which gives a socket a name that older kernels count up for the whole machine.
SOCKET_OPTIONS_SET = (2, 6, 8, 9, 13, 20, 21)
# The size is only a hint to the kernel, too; without cgroups, the memory of sockets is estimated from their number.
SO_SNDBUF = 7

RLIMITS_SET = tuple(which for which in range(16) if which != 4)
"""All but RLIMIT_CORE, which stays at 1 byte: at 0, a crash would still be piped to the host's crash reporter."""

CLONE_DENIED = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x1000
"""The flags that make namespaces (NEWNS … NEWNET), and PIDFD, whose inode counts processes of the whole machine."""
SET_ID_BITS = 0o6000
MAP_HUGETLB = 0x40000
"""mmap's flag for huge pages that the machine has set aside, of which one run could take another's."""
