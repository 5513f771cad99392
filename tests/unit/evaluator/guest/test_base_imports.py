"""What is imported before the fork starts no thread."""

import sys
import threading
from pathlib import Path

import pytest

from lethe.evaluator.guest import base_imports

MODULES = {
    "starts_a_thread": "import threading\nthreading.Thread(target=print).start()",
    "does_without": (
        "import threading\ntry:\n    threading.Timer(5, print).start()\nexcept RuntimeError:\n    WITHOUT = True"
    ),
    "needs_more": "import nothing_of_this_name",
    "comes_last": "",
}


def test_threads_are_refused_and_the_rest_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(base_imports, "MODULES", tuple(MODULES))
    threads = threading.active_count()
    base_imports.import_base()
    assert threading.active_count() == threads
    assert [name for name in MODULES if name in sys.modules] == ["does_without", "comes_last"]
    assert sys.modules["does_without"].WITHOUT
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
