"""Numbers, sizes, durations and times in words."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from lethe.evaluator.contract.curves import CURVE_PARTS, Curve
from lethe.evaluator.contract.limits import Limit, Unit, limits_of
from lethe.evaluator.contract.phrases import count_text as count_text
from lethe.evaluator.contract.phrases import time_text
from lethe.server.competitions.schemas import NetworkView
from lethe.server.http.outward_links import link_host

SCORE_DIGITS = 4


@dataclass(frozen=True)
class Moment:
    """A time twice: `iso` for machines, `text` for people. Both are in UTC."""

    iso: str
    text: str


@dataclass(frozen=True)
class Fact:
    """A term and its value."""

    term: str
    value: str


def moment(value: datetime) -> Moment:
    """Return `value` to the minute, with its zone spelled out and the month as a word. Naive times raise ValueError."""
    if value.tzinfo is None:
        raise ValueError("naive datetime: pass an aware one")
    return Moment(iso=value.astimezone(UTC).isoformat(timespec="seconds"), text=time_text(value))


def size_text(count_bytes: int) -> str:
    """Return `131072` as `128 KiB`: the largest binary unit that leaves at least one, at most one decimal."""
    amount = float(count_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{_short(amount)} {unit}"


def duration_text(seconds: float) -> str:
    """Return `90` as `90 s`, `240` as `4 min`, `5400` as `1 h 30 min`; below two minutes in seconds to one decimal."""
    if 0 < seconds < 0.1:
        return "under 0.1 s"
    if seconds < 120:
        return f"{_short(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def minutes_text(seconds: float) -> str:
    """Return `30` as `under 1 min`, `240` as `4 min`, `5400` as `1 h 30 min`: whole minutes, rounded down."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "under 1 min"
    return f"{minutes} min" if minutes < 60 else duration_text(60.0 * minutes)


def limit_facts(limits: BaseModel) -> tuple[Fact, ...]:
    """Return the label and the value of each limit in `limits`, in the order of the fields."""
    facts = []
    for name, limit in limits_of(type(limits)).items():
        value = getattr(limits, name)
        if limit.no_more_than:
            value = min(value, getattr(limits, limit.no_more_than))
        facts.append(Fact(limit.label, limit_text(limit, value)))
    return tuple(facts)


def limit_text(limit: Limit, value: float | None) -> str:
    """Return `value` in the unit of `limit`: `128 KiB`, `4 min`, `50,000`, or the meaning of None and 0."""
    if not value:
        return limit.unset
    match limit.unit:
        case Unit.BYTES:
            return size_text(int(value))
        case Unit.SECONDS:
            return duration_text(value)
        case Unit.SHARE:
            return f"{_short(100 * value)}%"
        case Unit.COUNT | Unit.PIXELS:
            return _short(value)


def score_text(value: float) -> str:
    """Return a score to the four digits that the API gives; zero never carries a sign."""
    return f"{round(value, SCORE_DIGITS) + 0.0:.{SCORE_DIGITS}f}"


def measure_text(value: float | None) -> str:
    """Return `0.0312`, `1.28`, `97.1` or `12,340`: three digits, and none lost before the point; None is empty."""
    if value is None:
        return ""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, SCORE_DIGITS)}f}"


def curve_text(curve: Curve) -> str:
    """Return a curve as `accuracies over 10 steps of the check's last run: retain 0.98 to 0.91 (lowest 0.85), …`."""
    parts = []
    for part in CURVE_PARTS:
        values = [getattr(point, part) for point in curve.points]
        start, end, lowest = values[0], values[-1], min(values)
        dip = f" (lowest {lowest:.2f})" if f"{lowest:.2f}" not in {f"{start:.2f}", f"{end:.2f}"} else ""
        parts.append(f"{part} {start:.2f} to {end:.2f}{dip}")
    steps = count_text(curve.points[-1].step, "step")
    return f"accuracies over {steps} of the check's last run: {', '.join(parts)}"


def outputs_text(are_given: bool) -> str:
    """Return who gets the outputs of runs, in the words of every page."""
    if are_given:
        return "after the reveal a team gets those of its own runs, with the oracles'"
    return "the host alone has them; teams see rounded numbers"


@dataclass(frozen=True)
class Outward:
    """A link that a team has given, and the host that it leads to; that is empty for what must not be a link."""

    href: str
    host: str


def outward(link: str | None) -> Outward:
    """Return the link as pages show it, checked once more; empty for none."""
    return Outward(link or "", link_host(link or ""))


def looks_text(looks: Sequence[int]) -> str:
    """Return `64, 128 or 256`."""
    *before, last = map(str, looks)
    return f"{', '.join(before)} or {last}" if before else last


def methods_text(when: str) -> str:
    """Return when boards show methods and links, in the words of every page."""
    return {
        "never": "not shown on boards",
        "after_reveal": "shown on boards after the reveal, of each team's best submission",
        "always": "shown on boards, of each team's best submission",
    }[when]


def network_facts(network: NetworkView) -> tuple[Fact, ...]:
    """Return options, number of weights and layers of a network, as far as they are known."""
    options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in network.options.items())
    weights = "" if network.weights is None else f"{network.weights:,}"
    facts = {"Options of the network": options, "Weights": weights, "Layers": ", ".join(network.layers)}
    return tuple(Fact(term, value) for term, value in facts.items() if value)


def paragraphs(text: str) -> tuple[str, ...]:
    """Return plain text cut at blank lines; line breaks inside a paragraph are spaces. Empty text has none."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    return tuple(" ".join(block.split()) for block in blocks if block.strip())


def _short(amount: float) -> str:
    return f"{amount:,.1f}".removesuffix(".0")
