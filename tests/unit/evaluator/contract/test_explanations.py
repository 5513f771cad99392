"""What the file's author is told to change."""

import pytest

from lethe.evaluator.contract.explanations import explain
from lethe.evaluator.contract.faults import Fault, FaultCode, platform_fault
from lethe.evaluator.contract.notebooks import FIRST_LINE, named_line, place_of
from lethe.evaluator.run_reports import explained

TOLD = {
    "ModuleNotFoundError: No module named 'utils'": "`utils` is no package",
    "ModuleNotFoundError: No module named 'utils.data'": "put the functions of utils.py",
    "ModuleNotFoundError: No module named 'timm'": "script block",
    "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>": "There is no network here",
    "ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded": "There is no network here",
    "RuntimeError: Found no NVIDIA driver on your system.": "device = next(net.parameters()).device",
    "AssertionError: Torch not compiled with CUDA enabled": ".to(device) instead of .cuda()",
    "FileNotFoundError: [Errno 2] No such file or directory: '/kaggle/input/x.csv'": "no file /kaggle/input/x.csv here",
    "NameError: name 'retain_loader' is not defined": "use the argument, def unlearning",
    "NameError: name 'alpha' is not defined": "`alpha` is not defined in the file",
    "ZeroDivisionError: division by zero": "len(loader)",
    "KeyError: 'label'": "A batch has no `label`",
    "ValueError: Expected more than 1 value per channel when training": "Batch norm",
    "OSError: [Errno 30] Read-only file system: '/x'": "relative path",
    "StopIteration: ": "iter(loader)",
}


@pytest.mark.parametrize(("message", "told"), TOLD.items(), ids=TOLD.keys())
def test_frequent_failures_say_what_to_change(message: str, told: str) -> None:
    assert told in explain(message)


def test_what_is_not_known_is_not_explained() -> None:
    assert explain("RuntimeError: shapes cannot be multiplied") == ""


def test_a_fault_names_cell_and_line() -> None:
    fault = Fault(code=FaultCode.EXCEPTION, message="NameError: name 'alpha' is not defined", line=5)
    source = f"{FIRST_LINE}\n\n# Cell 3\nx = 1\nalpha\n".encode()
    assert explained(fault, source).message.startswith(
        "cell 3, line 2: NameError: name 'alpha' is not defined\n`alpha`"
    )
    assert explained(fault, b"1\n2\n3\n4\nalpha").message.startswith("NameError")
    assert explained(platform_fault("URLError"), source) == platform_fault("URLError")


@pytest.mark.parametrize("text", [f"{FIRST_LINE}\n\n# Cell 3\nx = 1\nalpha\n\n# Cell 12\nbeta\n", "x = 1\nalpha\n"])
def test_places_name_their_lines(text: str) -> None:
    for line, content in enumerate(text.split("\n"), start=1):
        if content in {"x = 1", "alpha", "beta"}:
            assert named_line(text, f"unlearning needs `x` from {place_of(text, line)}, which cannot run") == line
    for message in ("cell 4, line 1", "cell 3, line 99", "line 400", "nothing", "cell 12, line 1: in a plain file"):
        if message != "cell 12, line 1: in a plain file" or not text.startswith(FIRST_LINE):
            assert named_line(text, message) is None


def test_an_error_of_a_needed_statement_is_at_that_statement() -> None:
    source = f"{FIRST_LINE}\n\n# Cell 3\nx = 1\nalpha\n".encode()
    message = "LeftOutIsNeeded: unlearning needs `x` from cell 3, line 2, which cannot run here"
    assert explained(Fault(code=FaultCode.EXCEPTION, message=message, line=None), source).line == 5
    other = Fault(code=FaultCode.EXCEPTION, message="ValueError: cell 3, line 2", line=None)
    assert explained(other, source).line is None


def test_numbers_of_batches_are_told_where_they_may_be_the_cause() -> None:
    assert explain("ZeroDivisionError: division by zero", "5 batches").endswith("less than one. 5 batches")
    assert "5 batches" not in explain("KeyError: 'label'", "5 batches")
