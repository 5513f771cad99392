"""Counts, times and durations in words."""

from datetime import UTC, datetime, timedelta

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return `1 team` or `1,200 teams`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def time_text(moment: datetime) -> str:
    """`1 Apr 2026, 00:00 UTC`: to the minute, whatever the locale."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {MONTHS[utc.month - 1]} {utc.year}, {utc:%H:%M} UTC"


def span_text(span: timedelta) -> str:
    """`3 d 4 h`, `2 h 5 min`, `1 min 9 s`, `9 s`: the two largest units, rounded down; at least a second."""
    rest = max(1, int(span.total_seconds()))
    parts = []
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length_s)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
