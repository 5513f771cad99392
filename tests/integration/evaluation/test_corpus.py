"""The corpus of submissions: what has to be left out is left out, and what cannot run says what to change.

Files beside these folders run as they are; test_tolerance.py runs them.
"""

from pathlib import Path

import pytest

from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.specification import LeaveOut
from lethe.evaluator.pipeline import WorkerResources
from lethe.server.submissions.static_check import RefusedFile, check_file
from tests.integration.evaluation.worker_resources import run

CORPUS = Path(__file__).parents[2] / "submissions"
LEFT_OUT = sorted((CORPUS / "left_out").glob("*.*"))
# The first words of a file's name are the code; these texts are in the answer.
REFUSED = {
    "wrong_parameters_swapped_names.py": "write def unlearning(net, retain, forget, validation):",
    "wrong_parameters_decorated.py": "a decorator may hide the names",
    "syntax_error_return.py": "'return' outside function",
    "import_error_own_module.py": "`utils` is no package",
    "exception_cuda.py": "device = next(net.parameters()).device",
    "exception_network.py": "There is no network here",
    "exception_needed_name.ipynb": "unlearning needs `STRENGTH` from cell 3, line 2",
    "exception_changed_value.ipynb": "unlearning needs `STRENGTH` from cell 3, line 2",
    "exception_star_import.ipynb": "may bind any name is at cell 3, line 1",
    "invalid_result_adapters.py": "merge",
}

pytestmark = pytest.mark.component("bubblewrap")


@pytest.mark.parametrize("path", LEFT_OUT, ids=lambda path: path.stem)
def test_what_cannot_run_is_left_out(resources: WorkerResources, path: Path) -> None:
    checked = check_file(path.read_bytes(), filename=path.name, limit_bytes=2**17)
    done = run(resources, checked.source, leaves_out=LeaveOut.NOTEBOOKS.applies_to(path.name))
    assert done.check is not None
    assert done.fault is None, done.fault
    assert done.check.left_out
    assert done.check_outputs is not None
    assert read_outputs(done.check_outputs).finite


@pytest.mark.parametrize(("name", "text"), REFUSED.items(), ids=REFUSED.keys())
def test_what_cannot_run_at_all_says_why(resources: WorkerResources, name: str, text: str) -> None:
    try:
        checked = check_file((CORPUS / "refused" / name).read_bytes(), filename=name, limit_bytes=2**17)
    except RefusedFile as refusal:
        code, message = refusal.code, str(refusal)
    else:
        done = run(resources, checked.source, leaves_out=LeaveOut.NOTEBOOKS.applies_to(name))
        assert done.fault is not None
        assert done.fault.owner == "participant"
        code, message = done.fault.code.value, done.fault.message
    assert name.startswith(code)
    assert text in message


def test_the_corpus_has_a_file_of_every_kind() -> None:
    assert {path.name for path in (CORPUS / "refused").iterdir()} == set(REFUSED)
    assert len([path for path in CORPUS.rglob("*") if path.is_file()]) >= 60
