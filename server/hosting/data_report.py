"""The report of `competition create --report`: one HTML file for the host alone, without scripts and links."""

import os
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from lethe.evaluator.contract.data_review import DataReview, DataWarning
from lethe.evaluator.contract.parts import task_specs, task_splits
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.errors import ConfigurationError
from lethe.server.hosting.calibration import wanted_oracles
from lethe.server.hosting.cost import size_text
from lethe.server.hosting.creation_warnings import forget_gap

TEMPLATE = "data_report.html"


@dataclass(frozen=True)
class Cost:
    """What is to be trained after `create`; `model_s`, a mean over tasks, is None as long as no model was trained."""

    models: int
    model_s: float | None
    needed_bytes: int | None


def require_writable(path: Path) -> None:
    """Raise ConfigurationError, before any work, if no file can be written there."""
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"cannot write the report {path}: name a file in a folder that exists and is yours")


def write_report(path: Path, html: str) -> None:
    """Write the report with mode 0600, in place of a former one, which stays until the new one is complete."""
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.absolute().parent, prefix=".report-", delete=False) as file:
        file.write(html)  # such a file has the mode 0600 from its beginning
    Path(file.name).replace(path)


def render_report(
    spec: CompetitionSpec,
    review: DataReview | None,
    *,
    prepared: PreparedCompetition | None = None,
    warnings: tuple[DataWarning, ...] = (),
    refusal: str | None = None,
) -> str:
    """Return the page, as far as things are known: `review` is None if nothing was read, `prepared` until there are
    models. `refusal` says why there is no competition.
    """
    splits = {} if prepared is None else {name: one.split for name, one in task_splits(spec, prepared).items()}
    return _template().render(
        spec=spec,
        review=review,
        prepared=prepared,
        warnings=warnings,
        refusal=refusal,
        cost=_cost(spec, review, prepared),
        splits=splits,
        gaps={name: forget_gap(split) for name, split in splits.items()},
    )


def _cost(spec: CompetitionSpec, review: DataReview | None, prepared: PreparedCompetition | None) -> Cost:
    each = [(1 + own.split.final) * wanted_oracles(own) for own in task_specs(spec)]
    each[0] += spec.practice.oracles
    model_s = None
    if prepared is not None:
        seconds = [task.public.figures.retrain_wall_s for task in prepared.tasks]
        model_s = sum(count * one_s for count, one_s in zip(each, seconds, strict=True)) / sum(each)
    return Cost(
        models=sum(each),
        model_s=model_s,
        needed_bytes=None if review is None else review.needed_bytes,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"png": _png, "duration": _duration, "size": size_text}
    return environment.get_template(TEMPLATE)


def _png(data: bytes) -> str:
    return f"data:image/png;base64,{b64encode(data).decode()}"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
