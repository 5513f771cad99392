"""The `installed` source: a function of an installed package, which gives arrays as the `arrays` source has them."""

from typing import Any

import numpy as np

from lethe.evaluator.contract.data_sources import InstalledSpec
from lethe.evaluator.contract.installed import SOURCES, installed
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.arrays import NAMES, photographs_of
from lethe.evaluator.data.sources.files import Files


def read_installed(data: InstalledSpec, files: Files) -> Photographs:
    """The photographs from the function that an installed package offers as `data.reader`.

    It is called with the folder of --data, or None, and with `data.options` by name, and returns a dictionary of
    `images`, `labels` and, where they are known, `identities`; the same ones every time. Raises DataError as
    `read_arrays` does, and where there is no such function or it fails.
    """
    known = installed(SOURCES)
    entry = known.get(data.reader)
    if entry is None:
        raise DataError(
            f"no installed package offers the source {data.reader!r}; there are {', '.join(known) or 'none'}. "
            "Install it into the environment of lethe"
        )
    try:
        given: Any = entry.load()(files.folder, **data.options)
    except Exception as error:
        raise DataError(f"the source {data.reader} ({entry.value}) failed: {type(error).__name__}: {error}") from error
    if not isinstance(given, dict):
        raise DataError(f"the source {data.reader} gives {type(given).__name__}, not a dictionary of arrays")
    return photographs_of({name: np.asarray(given[name]) for name in NAMES if name in given}, data, files)
