"""Imports in the zygote what submissions import, mostly without use, so that no run pays for it."""

import contextlib
import importlib

# What a part of a package imports when it is first used is named as well.
MODULES = (
    *("argparse", "asyncio", "concurrent.futures", "glob", "importlib.metadata", "logging.handlers", "multiprocessing"),
    *("pickle", "tempfile", "zipfile", "requests", "urllib.request", "yaml", "tabulate", "absl.logging", "joblib"),
    *("PIL.Image", "tqdm.auto", "tqdm.notebook", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "pandas"),
    *("scipy.linalg", "scipy.optimize", "scipy.spatial.distance", "scipy.special", "scipy.stats"),
    *("sklearn.cluster", "sklearn.decomposition", "sklearn.ensemble", "sklearn.linear_model", "sklearn.manifold"),
    *("sklearn.metrics", "sklearn.model_selection", "sklearn.neighbors", "sklearn.pipeline", "sklearn.preprocessing"),
    *("sklearn.svm", "torchvision.datasets", "torchvision.models", "torchvision.transforms", "torchvision.utils"),
    *("torch.nn.utils.prune", "torch.optim.swa_utils", "torch.optim.lr_scheduler", "torch.func", "torch.cuda.amp"),
)


def import_base() -> None:
    """Import `MODULES`, as far as they are installed. Leaves one thread."""
    for module in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
