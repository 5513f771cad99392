"""The environment that results depend on beside seeds: the processor, and the versions of installed packages."""

import platform
from importlib.metadata import version

PACKAGES = (
    *("torch", "torchvision", "numpy", "safetensors", "scipy", "scikit-learn"),
    *("pandas", "matplotlib", "pillow", "tqdm"),
)


def environment() -> dict[str, str]:
    """Machine and versions by name; the competition page shows them. Imports none of the packages."""
    packages = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}
