"""Files as real participants write them pass the static check and run in the real sandbox, unmodified."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.artifacts.outputs import read_outputs
from evaluator.pipeline import Station
from server.submissions.static_check import check_file
from tests.integration.package_index import open_folder
from tests.integration.station import open_station, run

FILES = sorted((Path(__file__).parents[1] / "submissions").glob("*.*"))

pytestmark = pytest.mark.component("bubblewrap")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with open_folder() as folder, open_station(tmp_path_factory.mktemp("cache"), folder / "layers") as opened:
        yield opened


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_runs_as_it_is(station: Station, path: Path) -> None:
    checked = check_file(path.read_bytes(), filename=path.name, limit_bytes=128 * 2**10)
    assert checked.dependencies == ()
    done = run(station, checked.source)
    assert done.check is not None
    assert done.fault is None, f"{done.fault}\n{done.check.traceback}\n{done.check.stderr}"
    assert done.check_outputs is not None
    assert read_outputs(done.check_outputs).finite


def test_there_is_a_file_of_every_kind() -> None:
    assert len(FILES) >= 12
