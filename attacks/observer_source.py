"""A run that writes down everything that the kernel tells it, for comparison with what another run was told.

Executed in the jail like any submission. Clocks are left out: leaks.md counts them.
"""

import hashlib
import json
import mmap
import os
import resource
import select
import socket
import zlib

_TOUCHED_FILES = 200


def unlearning(net, retain, forget, validation):
    seen = {f"faults before the run: {name}": value for name, value in usage().items()}
    seen |= faults()  # first, while what differs has not made a difference to the interpreter's own memory
    seen |= descriptors() | places() | numbers() | files()
    return json.dumps(seen, sort_keys=True).encode()


def usage():
    now = resource.getrusage(resource.RUSAGE_SELF)
    names = ("ru_minflt", "ru_majflt", "ru_inblock", "ru_oublock", "ru_nswap")
    return {name: getattr(now, name) for name in names}


def compared(what, before, after):
    change = {name: after[name] - before[name] for name in before}
    return {f"minor faults of {what}": change.pop("ru_minflt"), f"major faults and transfers of {what}": change}


def facts(status):
    names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_rdev")
    return [getattr(status, name) for name in names]


def descriptors():
    seen = {}
    one, other = os.pipe()
    left, _right = socket.socketpair()
    waiting = select.epoll()
    made = {"a new pipe": one, "a new socket": left.fileno(), "an epoll": waiting.fileno()}
    made |= {f"descriptor {number}": number for number in (0, 1, 2, 4, 5)}
    for name, number in made.items():
        status = os.fstat(number)
        kind = "pipe or socket" if name != "an epoll" and number else "other"
        seen[f"inode number of a {kind}: {name}"] = status.st_ino
        seen[f"device number: {name}"] = status.st_dev
    os.set_blocking(other, False)
    size = 0
    try:
        while True:
            size += os.write(other, b"x" * 4096)
    except BlockingIOError:
        pass
    seen["bytes that a new pipe takes"] = size
    return seen


def places():
    seen = {}
    parts = ("/sandbox/inputs", "/sandbox/code", "/dev/null", "/dev/shm")
    for place in ("/", "/usr", "/sandbox", "/proc", "/dev", "/tmp", *parts):
        volume, status = os.statvfs(place), os.stat(place)
        seen[f"statvfs of {place}"] = list(volume)
        seen[f"device number: {place}"] = status.st_dev
        seen[f"inode number: {place}"] = status.st_ino
    with open("/tmp/new", "w"):
        seen["inode number: a new file"] = os.stat("/tmp/new").st_ino
    os.unlink("/tmp/new")
    return seen


def numbers():
    seen = {"affinity": sorted(os.sched_getaffinity(0)), "priority": os.getpriority(os.PRIO_PROCESS, 0)}
    seen |= {
        "identity": [os.getpid(), os.getppid(), os.getuid(), os.getgid(), os.getgroups()],
        "uname": list(os.uname()),
    }
    for name in sorted(os.sysconf_names):
        try:
            seen[f"sysconf {name}"] = os.sysconf(name)
        except (OSError, ValueError):
            continue
    for name in (name for name in dir(resource) if name.startswith("RLIMIT_")):
        seen[name] = resource.getrlimit(getattr(resource, name))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    seen["number of a child"] = child
    return seen


def files():
    """A digest of what stat says of all files in each folder; devices and times apart."""
    seen = {}
    for folder, names, entries in os.walk("/"):
        names[:] = sorted(name for name in names if (folder, name) not in {("/", "tmp"), ("/dev", "shm")})
        found = [(entry, os.lstat(os.path.join(folder, entry))) for entry in [*sorted(entries), "."]]
        for kind, told in (
            ("stat", [(entry, facts(status)) for entry, status in found]),
            ("device numbers", [status.st_dev for _, status in found]),
            ("times", [(status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns) for _, status in found]),
        ):
            seen[f"{kind} of the files in {folder}"] = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return seen


def faults():
    """The page faults of one's own memory, and of the largest files, mapped and read from beginning to end.

    Whatever touches pages does so in one call: between calls the interpreter has faults of its own.
    """
    seen = {}
    block = bytes(8 << 20)
    zlib.crc32(block)
    usage()
    with mmap.mmap(-1, 8 << 20) as own:
        before = usage()
        own[:] = block
        after = usage()
    seen |= compared("8 MiB", before, after)
    tops = ("/usr", "/sandbox", "/etc")
    paths = [os.path.join(folder, name) for top in tops for folder, _, names in os.walk(top) for name in names]
    sizes = sorted(((os.stat(path).st_size, path) for path in paths if os.path.isfile(path)), reverse=True)
    for _, path in sizes[:_TOUCHED_FILES]:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            before = usage()
            zlib.crc32(pages)
            after = usage()
            seen |= compared(path, before, after)
            seen[f"blocks of {path}"] = os.fstat(file.fileno()).st_blocks
    return seen
