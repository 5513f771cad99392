"""The environment that every submission gets, with its installed distributions."""

import hashlib
import json
import platform
import site
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True)
class Base:
    """An interpreter with its packages.

    pins: normalised name -> version of every installed distribution. folders: where they are installed.
    """

    python: Path
    python_version: str
    platform: str
    pins: Mapping[str, str]
    folders: tuple[Path, ...]

    @property
    def digest(self) -> str:
        """Differs between two bases if wheels for one may not fit the other."""
        parts = [str(self.python), self.python_version, self.platform, sorted(self.pins.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find_base() -> Base:
    """The base of this process's interpreter, which is also the guests'."""
    folders = tuple(Path(folder) for folder in dict.fromkeys(site.getsitepackages()) if Path(folder).is_dir())
    pins: dict[str, str] = {}
    for distribution in distributions(path=[str(folder) for folder in folders]):
        name = distribution.metadata["Name"]
        # A folder left by a broken installation has no name, and old system packages have non-standard versions.
        if name and _is_standard(distribution.version):
            pins.setdefault(canonicalize_name(name), distribution.version)
    return Base(
        python=Path(sys.executable),
        python_version=platform.python_version(),
        platform=f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}",
        pins=pins,
        folders=folders,
    )


def _is_standard(version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True
