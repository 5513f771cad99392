"""A worker's resources for all tests of this folder: its sandboxes and its inference process take long to start."""

from collections.abc import Iterator

import pytest

from lethe.evaluator.pipeline import WorkerResources
from tests.integration.evaluation.worker_resources import open_station
from tests.integration.package_index import open_folder


@pytest.fixture(scope="session")
def resources(kept_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerResources]:
    with open_folder() as folder, open_station(tmp_path_factory.mktemp("cache"), folder / "layers") as opened:
        yield opened
