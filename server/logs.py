"""Structured logs: event names with fields, readable on a terminal, JSON lines in production."""

import logging
import os
import sys
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from uuid import UUID

import structlog

from lethe.server.plain_text import one_line


def configure_logs(*, level: str, log_format: str) -> None:
    """Send structlog, standard loggers, warnings and uncaught exceptions through one pipeline to stderr."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if log_format == "json" else "%H:%M:%S", utc=log_format == "json"),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
            pad_event_to=28,
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints locals, and with them secrets
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,  # first, so that a hidden event costs nothing
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info if log_format == "json" else _show_plainly,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    handler.set_name(log_format)
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "kombu", "amqp", "uvicorn.access", "celery", "alembic"):
        logging.getLogger(chatty).setLevel("WARNING")
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_of_thread
    sys.unraisablehook = _log_unraisable


def _show_plainly(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Return the line with its fields on one line and nothing in them that a terminal would obey."""
    return {name: one_line(value) if isinstance(value, str) else value for name, value in event.items()}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger(__name__).critical("uncaught_exception", exc_info=(kind, error, trace))


def _log_uncaught_of_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit:
        return
    error = found.exc_value or found.exc_type()
    thread = found.thread.name if found.thread is not None else ""
    get_logger(__name__).critical(
        "uncaught_exception", thread=thread, exc_info=(found.exc_type, error, found.exc_traceback)
    )


def _log_unraisable(found: "sys.UnraisableHookArgs") -> None:
    error = found.exc_value or found.exc_type()
    get_logger(__name__).error(
        "exception_ignored", where=repr(found.object), exc_info=(found.exc_type, error, found.exc_traceback)
    )


def about_submission(submission_id: UUID, request_id: str | None) -> AbstractContextManager[object]:
    """Let all lines of the block name a submission and the request that uploaded it; it can be followed by either."""
    upload = {} if request_id is None else {"request_id": request_id}
    return structlog.contextvars.bound_contextvars(submission_id=str(submission_id), **upload)


def is_json() -> bool:
    """Whether every line of this process's log is JSON."""
    return any(handler.get_name() == "json" for handler in logging.getLogger().handlers)


def current_request_id() -> str | None:
    """Return the id of the current request, or None outside of one."""
    found = structlog.contextvars.get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events are names with keyword fields."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
