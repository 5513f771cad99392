"""What the file's author is told to change."""

import pytest

from lethe.evaluator.contract.explanations import explain
from lethe.evaluator.contract.faults import Fault, FaultCode, platform_fault
from lethe.evaluator.contract.notebooks import FIRST_LINE
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
