"""The page on which a person confirms a program, as a value for its template."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DevicePage:
    """The code that was typed; with the `name` of the program that waits with it, what a click would do."""

    code: str = ""
    name: str = ""
    problem: str = ""
    notice: str = ""
