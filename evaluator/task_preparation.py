"""Preparing or surveying all tasks of a competition, one after the other; whatever goes wrong names its task."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.banks.seeding import ReportProgress
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.parts import task_specs
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.review import Review
from lethe.evaluator.data.sources import Files
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.preparation import Look, prepare
from lethe.evaluator.survey import Survey, survey


def prepare_tasks(
    spec: CompetitionSpec,
    store: ArtifactStore,
    *,
    files: Files | None = None,
    jobs: int | None = None,
    progress: ReportProgress | None = None,
    look: Look | None = None,
) -> PreparedCompetition:
    """Return the prepared competition with all of its tasks, after storing everything that it names.

    As `prepare`, which each task goes through: with the files below the folder of its name where the host's folder has
    such a one. `look` is called with what was read of the first task, and of one that is refused. Raises as `prepare`
    does, with the name of the task in the message, and DataError for tasks whose people would be hidden in one and
    public in another.
    """
    if not spec.tasks:
        return prepare(spec, store, files=files, jobs=jobs, progress=progress, look=look)
    host = files or Files()
    prepared: list[PreparedCompetition] = []
    for place, (task, own) in enumerate(zip(spec.tasks, task_specs(spec), strict=True)):
        with _named(task.name, look if place else None) as held_look:
            alike = _alike(spec, place, host)
            its_files = _files_of(spec, place, alike, host)
            its_look = held_look if place else look
            made = prepare(own, store, files=its_files, jobs=jobs, progress=progress, look=its_look)
            for other in alike:
                if other < place and prepared[other].contact_sheet != made.contact_sheet:
                    raise DataError(_MIXED.format(other=spec.tasks[other].name))
        prepared.append(made)
    return prepared[0].model_copy(update={"further_tasks": tuple(prepared[1:])})


def survey_tasks(spec: CompetitionSpec, files: Files | None = None) -> tuple[Survey, ...]:
    """Return the survey of each task, with the files that `prepare_tasks` gives it; of one where there are no tasks.

    What was left out of any task is added to the `skipped` of `files`, once. Raises as `survey` does, with the name of
    the task in the message.
    """
    host = files or Files()
    if not spec.tasks:
        return (survey(spec, host),)
    found = []
    for place, (task, own) in enumerate(zip(spec.tasks, task_specs(spec), strict=True)):
        with _named(task.name, None):
            its_files = _files_of(spec, place, _alike(spec, place, host), host)
            found.append(survey(own, its_files))
        host.skipped.extend(one for one in its_files.skipped if one not in host.skipped)
    return tuple(found)


_MIXED = (
    "it sets other people apart for practice than task '{other}', which has the same photographs, so some would be "
    "hidden in one and public in the other. Give both the same [data] and split.forget_by"
)


def _folder(folder: Path | None, task: str) -> Path | None:
    """The folder of a task's files: the one of its name below the host's, if there is one."""
    return folder / task if folder is not None and (folder / task).is_dir() else folder


def files_of_task(spec: CompetitionSpec, name: str, files: Files) -> Files:
    """Return the files that `prepare_tasks` gives the task of this name; raises DataError as that does."""
    place = [task.name for task in spec.tasks].index(name)
    with _named(name, None):
        return _files_of(spec, place, _alike(spec, place, files), files)


def _files_of(spec: CompetitionSpec, place: int, alike: Sequence[int], host: Files) -> Files:
    """The files of the task at `place`; whom the tasks `alike` list to be forgotten stays out of its practice data."""
    return replace(
        host,
        folder=_folder(host.folder, spec.tasks[place].name),
        kept_hidden=tuple(sorted({spec.tasks[other].split.forget for other in alike} - {""})),
        skipped=[],
    )


def _alike(spec: CompetitionSpec, place: int, host: Files) -> list[int]:
    """The tasks with the photographs of the task at `place`, itself included; none for invented people.

    Raises DataError where one of them has another table for them, or is certain to set others apart for practice.
    """
    own = spec.tasks[place].data
    if isinstance(own, SyntheticFacesSpec):
        return []
    read = [(task.data.source, _folder(host.folder, task.name)) for task in spec.tasks]
    alike = [other for other, one in enumerate(read) if one == read[place]]
    for other in alike:
        if spec.tasks[other].data != own:
            raise DataError(
                f"it reads the same photographs as task '{spec.tasks[other].name}' by another [data]: give both the "
                "same one, or each its files in a folder of its name below --data"
            )
        published = {spec.tasks[one].split.forget_by == "published" for one in (place, other)}
        if len(published) > 1:  # which keeps its own people out of the practice data, whatever else is drawn
            raise DataError(_MIXED.format(other=spec.tasks[other].name))
    return alike


@contextmanager
def _named(task: str, look: Look | None) -> Iterator[Look]:
    """Yield a `look` that waits for an error, and begin the message of an error with the name of the task."""
    reviews: list[Review] = []
    try:
        yield reviews.append
    except EvaluatorError as error:
        if look is not None:
            for review in reviews:
                look(review)
        error.args = (f"task '{task}': {error}", *error.args[1:])
        raise
