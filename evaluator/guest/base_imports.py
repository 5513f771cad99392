"""Imports in the zygote what submissions import, mostly without use, so that no run pays for it."""

import contextlib
import importlib
import threading
from collections.abc import Iterator

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
    """Import `MODULES`, as far as they are installed. No thread starts meanwhile."""
    with _without_threads():
        for module in MODULES:
            with contextlib.suppress(ImportError, RuntimeError):
                importlib.import_module(module)


@contextlib.contextmanager
def _without_threads() -> Iterator[None]:
    """Let every start of a thread fail as it does at a limit of processes.

    matplotlib starts one while it looks for fonts, to say that it takes long, and does without where it cannot.
    """

    def refuse(self: threading.Thread) -> None:  # noqa: ARG001 - the name of the method's own
        raise RuntimeError("can't start new thread")

    start = threading.Thread.start
    threading.Thread.start = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
