"""Every line of a JSON log is JSON, whoever speaks, and names the submission that it is about."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import structlog
from structlog.testing import capture_logs

from lethe.server.logs import about_submission

SPEAKERS = """
import logging, sys, threading, warnings
from concurrent.futures import ThreadPoolExecutor
from lethe.server.logs import configure_logs, get_logger

configure_logs(level="INFO", log_format="json")

def fail():
    raise RuntimeError("of two\\nlines")

class Careless:
    def __del__(self):
        fail()

for name in ("uvicorn.error", "celery.worker.consumer"):
    try:
        fail()
    except RuntimeError:
        logging.getLogger(name).error("Trouble: %s", "here", exc_info=True, stack_info=True)
thread = threading.Thread(target=fail, name="a thread")
thread.start()
thread.join()
Careless()
warnings.warn("old\\nways", DeprecationWarning)
get_logger("x").error("ours", what={1, 2}, path=None, exc_info=ValueError("no\\ntrace"))
if sys.argv[1] == "refuse":
    from lethe.server.cli import fail as refuse
    refuse("the home folder cannot be written")
fail()
"""


def spoken(how: str) -> list[dict[str, str]]:
    """The lines of a process that ends in this way."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", SPEAKERS, how], env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_json() -> None:
    *lines, last = spoken("raise")
    events = [line["event"] for line in lines]
    assert events[:2] == ["Trouble: here"] * 2
    assert events[2:4] == ["uncaught_exception", "exception_ignored"]
    assert "old\nways" in events[4]
    assert events[5:] == ["ours"]
    assert lines[2]["thread"] == "a thread"
    for line in (*lines[:4], last):
        assert "RuntimeError: of two\nlines" in line["exception"]
    assert (last["event"], last["level"]) == ("uncaught_exception", "critical")


def test_a_refusal_to_start_is_json_too() -> None:
    last = spoken("refuse")[-1]
    assert (last["event"], last["error"]) == ("process_ended", "the home folder cannot be written")


def test_lines_about_a_submission_name_its_upload_instead_of_the_call_that_caused_them() -> None:
    merge = structlog.contextvars.merge_contextvars
    log = structlog.stdlib.get_logger("test")
    submission = UUID(int=1)
    with capture_logs(processors=[merge]) as lines, structlog.contextvars.bound_contextvars(request_id="of the claim"):
        with about_submission(submission, "of the upload"):
            log.info("inside")
        log.info("outside")
        with about_submission(submission, None):
            log.info("of a final, which nobody uploaded")
    assert [line["request_id"] for line in lines] == ["of the upload", "of the claim", "of the claim"]
    assert [line.get("submission_id") for line in lines] == [str(submission), None, str(submission)]
