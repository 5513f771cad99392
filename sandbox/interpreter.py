"""The Python that guests run under: its folders, and their places in the jail."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lethe.sandbox.errors import SandboxUnavailable
from lethe.sandbox.identity import Identity, blocking_path, identity_arguments

_ASK_PREFIXES = (
    "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]))"
)
# The environment gets a fixed place: its own may be in a folder that guests see differently, such as /tmp.
_ENVIRONMENT = Path("/sandbox/environment")
_HIDDEN = (Path("/tmp"), Path("/dev"), Path("/proc"), Path("/sandbox"))  # noqa: S108 - the jail's own


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter as the jail sees it, and its folders on the host by their place in the jail."""

    executable: Path
    binds: dict[Path, Path]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders on the host."""
        return tuple(self.binds.values())


def find_interpreter(python: Path, identity: Identity) -> Interpreter:
    """The environment of `python` as `identity` sees it; raises SandboxUnavailable naming the folder that blocks."""
    executable = python.absolute()
    blocked = blocking_path(executable, identity)
    if blocked is not None:
        raise SandboxUnavailable(f"{identity.label} cannot read the interpreter {executable}: {_remedy(blocked)}")
    try:
        answer = subprocess.run(
            [str(executable), "-I", "-c", _ASK_PREFIXES],
            capture_output=True,
            check=True,
            cwd="/",
            env={},
            timeout=60,
            **identity_arguments(identity),
        )
        prefixes = json.loads(answer.stdout)
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
    return Interpreter(executable, binds)


def _remedy(blocked: Path) -> str:
    if not blocked.exists():
        return f"{blocked} does not exist. Name another interpreter"
    return f"{blocked} is closed to it. Use an environment outside of it, or open it: chmod o+rx {blocked}"
