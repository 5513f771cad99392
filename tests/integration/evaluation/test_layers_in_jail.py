"""A submission with a script block, from its source to its check report, in a real jail with the real harness."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.states import Owner, Stage
from lethe.evaluator.pipeline import WorkerResources
from lethe.evaluator.sandbox_pool import SandboxPool
from lethe.evaluator.settings import SandboxSettings
from lethe.sandbox import Backend
from tests.integration.evaluation.worker_resources import open_station
from tests.integration.evaluation.worker_resources import run as run_allowing
from tests.integration.package_index import Index, open_folder

# torch imports a package called dill, if there is one, while it is imported itself.
MEDDLER = "import builtins, os\nbuiltins.MEDDLER = os.getpid()\nVALUE = 7\n"
SUBMISSION = """
# /// script
# dependencies = ["dill", "numpy"]
# ///
import builtins
import os
import sys


def unlearning(net, retain, forget, validation):
    assert not hasattr(builtins, "MEDDLER")
    assert sys.path[-1].startswith("/sandbox/layers/")
    import dill
    assert dill.VALUE == 7
    assert hasattr(builtins, "MEDDLER")
    print("read-only:", bool(os.statvfs(dill.__file__).f_flag & os.ST_RDONLY))
    return net
"""

pytestmark = pytest.mark.component("bubblewrap")


run = partial(run_allowing, allowed=("dill", "missing-thing"))


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerResources]:
    with open_folder() as folder:
        index = Index(folder / "index")
        index.add_wheel("dill", "1.0", {"dill/__init__.py": MEDDLER, "dill.pth": MEDDLER})
        with open_station(tmp_path_factory.mktemp("cache"), folder / "layers", index=index.url) as opened:
            yield opened


def test_guest_imports_what_its_block_names_and_the_zygote_does_not(resources: WorkerResources) -> None:
    checked = run(resources, SUBMISSION)
    assert checked.fault is None, checked
    assert checked.check is not None
    assert checked.check.packages == ("dill==1.0",)
    assert checked.check.stdout == "read-only: True\n"
    hidden = run(resources, SUBMISSION, stage=Stage.RUN, packages=checked.check.packages)
    assert (len(hidden.finished), hidden.fault, hidden.check) == (1, None, None)


def test_refusal_is_the_participants_while_checking_and_the_platforms_later(resources: WorkerResources) -> None:
    source = SUBMISSION.replace('"dill"', '"missing-thing"')
    checked = run(resources, source)
    assert checked.fault is not None
    assert (checked.fault.code, checked.fault.owner, checked.fault.line) == (
        FaultCode.DEPENDENCY_UNKNOWN,
        Owner.PARTICIPANT,
        2,
    )
    assert "missing-thing was not found" in checked.fault.message
    assert checked.check is not None
    assert checked.check.stderr == ""  # it says nothing that the message does not
    hidden = run(resources, source, stage=Stage.RUN, packages=("missing-thing==1.0",))
    assert hidden.fault is not None
    assert (hidden.fault.code, hidden.fault.owner) == (FaultCode.PLATFORM, Owner.PLATFORM)
    not_allowed = run(resources, SUBMISSION.replace('"dill"', '"requests2"'))
    assert not_allowed.fault is not None
    assert not_allowed.fault.code is FaultCode.DEPENDENCY_NOT_ALLOWED


def test_without_a_block_the_package_is_not_there(resources: WorkerResources) -> None:
    checked = run(resources, "import dill\n" + SUBMISSION.replace("# /// script", "#"))
    assert checked.fault is not None
    assert (checked.fault.code, checked.fault.line) == (FaultCode.IMPORT_ERROR, 1)


def test_fresh_jails_serve_any_number_of_runs(resources: WorkerResources, tmp_path: Path) -> None:
    settings = SandboxSettings(sandbox_backend=Backend.FRESH)
    sandbox_pool = SandboxPool(resources.store, tmp_path, settings)
    try:
        fresh = replace(resources, sandbox_pool=sandbox_pool)
        for _ in range(2):
            done = run(fresh, "def unlearning(net, retain, forget, validation): return net\n")
            assert (done.fault, done.check is None) == (None, False), done
    finally:
        sandbox_pool.close()
