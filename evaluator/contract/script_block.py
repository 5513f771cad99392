"""The one reader of a submission's PEP 723 block; it lets through nothing that an installer would follow elsewhere."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from lethe.evaluator.errors import EvaluatorError

MAX_BLOCK_CHARS = 8 * 2**10  # tomllib takes quadratic time over dotted keys: 0.1 s at this size
MAX_REQUIREMENTS = 50
MAX_REQUIREMENT_CHARS = 300
_SHOWN_CHARS = 80
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]")
_CLOSING = "# ///"


@dataclass(frozen=True)
class ScriptBlock:
    """What a submission asks of its environment. `line` is where the block starts, None without one.

    requirements: canonical, sorted, each once: `einops>=0.8`. requires_python: a version specifier, or empty.
    """

    requirements: tuple[str, ...] = ()
    requires_python: str = ""
    line: int | None = None


class InvalidScriptBlock(EvaluatorError, ValueError):
    """The block is not what PEP 723 describes, or asks for more than names and versions. `line` is where it starts."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_script_block(source: bytes) -> ScriptBlock:
    """The block of a UTF-8 source; an empty one when there is none. Raises InvalidScriptBlock.

    Takes time in proportion to the source. Two things are stricter than PEP 723: a block that is not closed is an
    error rather than a comment, and tables other than the two standard keys are refused, because uv reads `tool.uv`.
    """
    lines = source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks = list(_script_blocks(lines))
    if not blocks:
        return ScriptBlock()
    line, content = blocks[0]
    if len(blocks) > 1:
        raise InvalidScriptBlock("there is more than one script block", line)
    metadata = _parse(content, line)
    unknown = sorted(set(metadata) - {"dependencies", "requires-python"})
    if unknown:
        raise InvalidScriptBlock(f"{_shown(unknown[0])} is not allowed here", line)
    entries = metadata.get("dependencies", [])
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise InvalidScriptBlock("dependencies must be a list of strings", line)
    if len(entries) > MAX_REQUIREMENTS:
        raise InvalidScriptBlock(f"it names more than {MAX_REQUIREMENTS} packages", line)
    return ScriptBlock(
        requirements=tuple(sorted({_canonical(entry, line) for entry in entries})),
        requires_python=_python_specifier(metadata.get("requires-python", ""), line),
        line=line,
    )


def line_of_package(source: bytes, block: ScriptBlock, name: str) -> int | None:
    """The line of the block that names the package; the block's first one if none is found, None without a block."""
    if block.line is None or not name:
        return block.line
    lines = source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, text in enumerate(lines[block.line :], block.line + 1):
        if not text.startswith("#"):
            break
        if any(canonicalize_name(word) == name for word in _WORD.findall(text)):
            return number
    return block.line


def name_of(requirement: str) -> str:
    """The normalised package name of one of ScriptBlock's requirements."""
    return canonicalize_name(Requirement(requirement).name)


def _script_blocks(lines: list[str]) -> Iterator[tuple[int, str]]:
    """`(line, content)` of every `# /// script` block, comment marks removed; lines count from 1."""
    index = 0
    while index < len(lines):
        if not _opens(lines[index]):
            index += 1
            continue
        end = index + 1
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            end += 1
        # The last closing line of the run of comments counts: content may contain others.
        closing = next((at for at in range(end - 1, index, -1) if lines[at] == _CLOSING), None)
        if lines[index] == "# /// script":
            if closing is None:
                raise InvalidScriptBlock("the script block has no closing line '# ///'", index + 1)
            if closing > index + 1:  # without a line between there is no block
                yield index + 1, "\n".join(line[2:] for line in lines[index + 1 : closing])
        index = end


def _opens(line: str) -> bool:
    kind = line.removeprefix("# /// ")
    return kind != line and kind.isascii() and kind.replace("-", "").isalnum()


def _parse(content: str, line: int) -> dict[str, Any]:
    if len(content) > MAX_BLOCK_CHARS:
        raise InvalidScriptBlock(f"the script block is longer than {MAX_BLOCK_CHARS:,} characters", line)
    try:
        return tomllib.loads(content)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError; so is a number with 5,000 digits
        raise InvalidScriptBlock(f"it is not valid TOML: {str(error)[:200]}", line) from error


def _canonical(entry: str, line: int) -> str:
    """`entry` in one spelling; names with extras and version specifiers only."""
    try:
        requirement = Requirement(entry[: MAX_REQUIREMENT_CHARS + 1])
    except InvalidRequirement as error:
        raise InvalidScriptBlock(f"{_shown(entry)} is not a package name with a version specifier", line) from error
    if len(entry) > MAX_REQUIREMENT_CHARS:
        raise InvalidScriptBlock(f"{_shown(entry)} is longer than {MAX_REQUIREMENT_CHARS} characters", line)
    if requirement.url is not None:
        raise InvalidScriptBlock(f"{_shown(entry)} names a URL or a path; name a package and its version", line)
    if requirement.marker is not None:
        raise InvalidScriptBlock(f"{_shown(entry)} has a marker; name a package and its version only", line)
    if any(specifier.operator == "===" for specifier in requirement.specifier):
        raise InvalidScriptBlock(f"{_shown(entry)} compares by '==='; use '=='", line)
    extras = ",".join(sorted(canonicalize_name(extra) for extra in requirement.extras))
    specifiers = ",".join(sorted(str(specifier) for specifier in requirement.specifier))
    return f"{canonicalize_name(requirement.name)}{f'[{extras}]' if extras else ''}{specifiers}"


def _python_specifier(value: object, line: int) -> str:
    if not isinstance(value, str) or len(value) > MAX_REQUIREMENT_CHARS:
        raise InvalidScriptBlock("requires-python must be a version specifier such as '>=3.11'", line)
    try:
        return str(SpecifierSet(value))
    except InvalidSpecifier as error:
        raise InvalidScriptBlock(f"requires-python {_shown(value)} is not a version specifier", line) from error


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARS])
