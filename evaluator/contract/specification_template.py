"""A specification to begin with: every key with its default and one line of explanation, as a TOML file."""

import textwrap

from lethe.evaluator.contract.specification_keys import DATA, TOP, Key, all_keys, sections, source_text, toml_text

WIDTH = 120
HEAD = """#:schema {schema}
# A specification of a competition. A key behind a # shows what holds without the line: remove the # to change it.
# Everything about one: lethe admin competition spec KEY
"""


def template(source: str, *, schema: str) -> str:
    """Return the text of a specification with photographs from `source`, which `load_specification` accepts as it is.

    `schema` is where editors find the JSON schema, relative to the file. Required keys have an example as their value.
    """
    parts = [HEAD.format(schema=schema)]
    for section, about in sections().items():
        keys = [one for one in all_keys() if one.section == section and (not one.sources or source in one.sources)]
        text = f"{source}: {source_text(source)}" if section == DATA else about
        lines = [*_comment(text), *([] if section == TOP else [f"[{section}]"])]
        for key in sorted(keys, key=lambda one: not one.is_required):
            lines += _entry(key, source)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _entry(key: Key, source: str) -> list[str]:
    value = toml_text(source) if key.path == "data.source" else key.example
    said = f"{key.about} ({key.values})" if key.values else key.about
    if not key.is_required and key.default is None:
        said += ". The value is an example" + (f"; without the line: {key.unset}" if key.unset else "")
    code = textwrap.wrap(f"{key.name} = {value}", WIDTH - 1, subsequent_indent="    ", break_on_hyphens=False)
    return [*_comment(said), *(code if key.is_required else (f"#{line}" for line in code))]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
