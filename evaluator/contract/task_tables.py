"""What the tables [[tasks]] of a specification leave out, taken from the top of its document before it is validated."""

from typing import Any

from pydantic import BaseModel

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec

TASK_TABLES = ("data", "split", "model", "training")


def complete_tasks(document: Any) -> Any:
    """Return the document with whole tasks, and at the top what the first task has; others come back as they are."""
    tasks = document.get("tasks") if isinstance(document, dict) else None
    if not isinstance(tasks, list | tuple) or not tasks:
        return document
    top = {name: _as_table(document[name]) for name in TASK_TABLES if name in document}
    whole = [_completed(_as_table(task), top) for task in tasks]
    first = whole[0] if isinstance(whole[0], dict) else {}
    return document | {name: first[name] for name in TASK_TABLES if name in first} | {"tasks": whole}


def _as_table(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def _completed(task: Any, top: dict[str, Any]) -> Any:
    """The task's document with what its tables leave out of those at the top."""
    if not isinstance(task, dict):
        return task
    tables = {name: _merged(name, top.get(name, {}), _as_table(task.get(name, {}))) for name in TASK_TABLES}
    return task | {name: table for name, table in tables.items() if table != {}}


def _merged(name: str, top: Any, own: Any) -> Any:
    if not isinstance(top, dict) or not isinstance(own, dict):
        return own or top
    begins_anew = (
        name == "data" and "source" in own and own["source"] != top.get("source", SyntheticFacesSpec().source)
    ) or (name == "model" and {"architecture", "module"} & own.keys())
    return own if begins_anew else top | own
