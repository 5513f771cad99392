"""The Python that guests run under: its folders, and their places in the jail."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lethe.sandbox.errors import SandboxUnavailable
from lethe.sandbox.identity import Identity, blocking_path, identity_arguments

_ASK = """
import json, site, sys, sysconfig
print(json.dumps({
    "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix],
    "library": [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("DESTSHARED")],
    "packages": site.getsitepackages(),
    "tag": sys.implementation.cache_tag,
}))
"""
# The environment gets a fixed place: its own may be in a folder that guests see differently, such as /tmp.
_ENVIRONMENT = Path("/sandbox/environment")
_HIDDEN = (Path("/tmp"), Path("/dev"), Path("/proc"), Path("/sandbox"))  # noqa: S108 - the jail's own


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter as the jail sees it, and its folders on the host by their place in the jail.

    host: its path on the host. library: folders of the standard library. packages: folders of installed packages, some
    of which may not exist. tag: what names of its compiled modules end in, as in `cpython-311`.
    """

    executable: Path
    binds: dict[Path, Path]
    host: Path
    library: tuple[Path, ...] = ()
    packages: tuple[Path, ...] = ()
    tag: str = ""

    def place_in_image(self, place: Path) -> str:
        """Where the image has what guests see at `place`, one of `binds`; links are followed."""
        real = self.binds[place].resolve()
        return str(next((other for other, folder in self.binds.items() if folder == real), place))

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders on the host."""
        return tuple(self.binds.values())


def find_interpreter(python: Path, identity: Identity) -> Interpreter:
    """The environment of `python` as `identity` sees it; raises SandboxUnavailable naming the folder that blocks."""
    executable = host = python.absolute()
    blocked = blocking_path(executable, identity)
    if blocked is not None:
        raise SandboxUnavailable(f"{identity.label} cannot read the interpreter {executable}: {_remedy(blocked)}")
    try:
        answer = subprocess.run(
            [str(executable), "-I", "-c", _ASK],
            capture_output=True,
            check=True,
            cwd="/",
            env={},
            timeout=60,
            **identity_arguments(identity),
        )
        found = json.loads(answer.stdout)
        prefixes = found["prefixes"]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxUnavailable(f"{identity.label} cannot run the interpreter {executable}: {error}") from error
    folders = {Path(prefix) for prefix in prefixes}
    folders |= {folder.resolve() for folder in folders} | {executable.resolve().parent.parent}
    for folder in sorted(folders):
        blocked = blocking_path(folder, identity)
        if blocked is not None:
            raise SandboxUnavailable(
                f"{identity.label} cannot read {folder}, a part of the interpreter's environment: {_remedy(blocked)}"
            )
    prefix, base = Path(prefixes[0]), Path(prefixes[1])
    binds = {}
    if prefix != base and executable.is_relative_to(prefix):
        binds[_ENVIRONMENT] = prefix
        executable = _ENVIRONMENT / executable.relative_to(prefix)
        folders -= {prefix, prefix.resolve()}
    for folder in sorted(folders):
        if folder.is_relative_to("/usr") or folder == Path("/"):
            continue
        if any(folder.is_relative_to(hidden) for hidden in _HIDDEN):
            raise SandboxUnavailable(f"guests cannot see {folder}, a part of the interpreter. Install Python elsewhere")
        binds[folder] = folder
    library, packages = (
        tuple(dict.fromkeys(Path(folder) for folder in found[part] if folder)) for part in ("library", "packages")
    )
    return Interpreter(executable, binds, host, library, packages, found["tag"])


def _remedy(blocked: Path) -> str:
    if not blocked.exists():
        return f"{blocked} does not exist. Name another interpreter"
    return f"{blocked} is closed to it. Use an environment outside of it, or open it: chmod o+rx {blocked}"
