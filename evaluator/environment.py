"""What results depend on beside seeds: versions and the processor."""

import platform
from importlib.metadata import version


def environment() -> dict[str, str]:
    """Versions and machine that decide a model's bits, by name; torch is not imported for it."""
    packages = {name: version(name) for name in ("torch", "numpy", "safetensors")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}
