"""Packages for submissions: resolved and installed outside of the sandbox, read-only inside, after the base's path."""

from lethe.evaluator.dependencies.errors import DependencyRefused, InstallerFailure, InstallInterrupted
from lethe.evaluator.dependencies.layers import Layer, Layers, open_layers

__all__ = ["DependencyRefused", "InstallInterrupted", "InstallerFailure", "Layer", "Layers", "open_layers"]
