"""The guest's report of an exception: status, line of the submitted file, trimmed traceback."""

import errno
import sys
import traceback

import pytest

from lethe.sandbox import guest


def caught(source: str, filename: str = "submission.py") -> BaseException:
    """What calling `f` of `source` raises."""
    try:
        guest.define(source.encode(), filename, "f")()
    except BaseException as error:  # noqa: BLE001 - any of them is what the test is about
        return error
    raise AssertionError("nothing was raised")


@pytest.fixture(autouse=True)
def _modules() -> object:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (guest.NoResult("x"), "no_result"),
        (guest.InvalidResult("x"), "invalid_result"),
        (ImportError("x"), "import_error"),
        (ModuleNotFoundError("x"), "import_error"),
        (SystemExit(0), "exit"),
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "process_limit"),
        (RuntimeError("can't start new thread"), "process_limit"),
        (RuntimeError("shape mismatch"), "exception"),
        (OSError(errno.ENOSPC, "No space left"), "exception"),
        (KeyboardInterrupt(), "exception"),
        (GeneratorExit(), "exception"),
    ],
)
def test_classify(error: BaseException, status: str) -> None:
    assert guest.classify(error) == status


def test_the_last_own_line_counts() -> None:
    error = caught("import json\n\ndef g():\n    json.loads('{')\n\ndef f():\n    g()\n")
    claim = guest.describe(error, "submission.py")
    assert (claim["type"], claim["line"]) == ("JSONDecodeError", 4)


def test_no_own_line_no_number() -> None:
    with pytest.raises(ValueError, match="elsewhere") as caught_here:
        raise ValueError("elsewhere")
    assert guest.describe(caught_here.value, "submission.py")["line"] is None


def test_a_syntax_error_of_another_file_is_placed_in_the_own_one() -> None:
    error = caught("def f():\n    compile('(', 'other.py', 'exec')\n")
    assert guest.describe(error, "submission.py")["line"] == 2


def test_traceback_shows_source_and_hides_the_jail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "CODE_FOLDER", guest.__file__.rpartition("/")[0])
    error = caught(
        "def f():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        raise ValueError('second')\n"
    )
    text = guest.format_trace(error)
    assert "1 / 0" in text
    assert "raise ValueError('second')" in text
    assert "During handling of the above exception" in text
    module_level = caught("1 / 0\n")
    assert any(frame.filename == guest.__file__ for frame in traceback.extract_tb(module_level.__traceback__))
    assert guest.__file__ not in guest.format_trace(module_level)


def test_exception_groups_are_formatted_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "CODE_FOLDER", guest.__file__.rpartition("/")[0])
    text = guest.format_trace(
        caught("def f():\n    raise ExceptionGroup('many', [ValueError('one'), TypeError('two')])\n")
    )
    assert "ValueError: one" in text
    assert "TypeError: two" in text


def test_a_message_that_cannot_be_shown() -> None:
    error = caught("class Bad(Exception):\n    def __str__(self): raise RuntimeError\n\ndef f():\n    raise Bad\n")
    claim = guest.describe(error, "submission.py")
    assert (claim["status"], claim["type"]) == ("exception", "Bad")
    assert "cannot be shown" in claim["message"]


def test_long_texts_are_cut() -> None:
    claim = guest.describe(caught("def f():\n    raise ValueError('x' * 100_000)\n"), "submission.py")
    assert len(claim["message"]) == guest.MESSAGE_CHARS
    assert len(claim["traceback"]) == guest.TRACEBACK_CHARS


def test_define_registers_a_module_that_can_be_pickled_by_name() -> None:
    found = guest.define(b"class C: pass\ndef f(): return C\n", "my-file.py", "f")
    made = found()
    assert sys.modules[made.__module__].C is made
    assert made.__module__ == "my_file"


def test_define_never_replaces_a_module() -> None:
    found = guest.define(b"def f(): return __name__\n", "json.py", "f")
    assert found() == "json_"


def test_define_reads_utf8_whatever_is_declared() -> None:
    disguised = b"# coding: utf-7\ndef f(): return 'one'\n# +AAo-def f(): return 'two'\n"
    assert guest.define(disguised, "s.py", "f")() == "one"
    assert guest.define(b"\xef\xbb\xbfdef f():\r\n    return 'ab'\r", "s.py", "f")() == "ab"
    with pytest.raises(UnicodeDecodeError):
        guest.define("# coding: latin-1\ndef f(): return 'é'\n".encode("latin-1"), "s.py", "f")


def test_define_does_not_inherit_future_flags() -> None:
    assert guest.define(b"def f(x: int = 1): return f.__annotations__\n", "s.py", "f")() == {"x": int}


@pytest.mark.parametrize("source", [b"g = 1\n", b"f = 1\n"])
def test_define_without_the_function(source: bytes) -> None:
    with pytest.raises(AttributeError, match="defines no function 'f'"):
        guest.define(source, "s.py", "f")
