"""Runs a folder of strangers' files through static check and sandbox: `python -m benchmarks.submissions FOLDER`.

Prints one line for each file, the counts by verdict, and the packages that files import, so that a host can try last
year's files and see what to allow.
"""

import argparse
import ast
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lethe.evaluator.contract.specification import LeaveOut
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.contract.states import Owner
from lethe.evaluator.practice import Practice, PracticeFailed, open_practice
from lethe.server.submissions.static_check import RefusedFile, check_file

SUFFIXES = {".py", ".ipynb"}
RUNS, REDUCED = "runs", "runs without what cannot run here"
_CHARS = 160


def main() -> None:
    """Read the arguments, check the files and print verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="files to try, folders in it included")
    parser.add_argument("--spec", type=Path, default=Path("demo"), help="competition, as for `lethe check`")
    parser.add_argument("--leave-out", type=LeaveOut, choices=list(LeaveOut), help="instead of the competition's")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    spec = load_specification(arguments.spec)
    if arguments.leave_out is not None:
        spec = spec.model_copy(update={"leave_out": arguments.leave_out})
    counts: Counter[str] = Counter()
    imports: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(prefix="lethe-submissions-") as scratch,
        open_practice(spec, store_folder=Path(scratch, "store"), scratch=Path(scratch)) as practice,
    ):
        for path in files_of(arguments.folder):
            verdict, detail = judge(path, practice)
            counts[verdict] += 1
            imports.update(packages_of(path, practice))
            name = str(path.relative_to(arguments.folder))
            if arguments.json:
                print(json.dumps({"file": name, "verdict": verdict, "detail": detail}), flush=True)
            else:
                print(f"{name}: {verdict}{f' ({detail[:_CHARS]})' if detail else ''}", flush=True)
    print_counts(counts, imports, as_json=arguments.json)


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the Python files and notebooks of a folder in the order of their paths; links are not followed."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if path.suffix in SUFFIXES and name != "__init__.py" and path.is_file() and not path.is_symlink():
                yield path


def judge(path: Path, practice: Practice) -> tuple[str, str]:
    """Return what becomes of a file: a verdict by which files are counted, and a detail, cut to one line."""
    try:
        checked = check_file(
            path.read_bytes(),
            filename=path.name,
            limit_bytes=practice.data.facts.limits.upload_bytes,
            dependencies=practice.data.facts.dependencies,
        )
    except RefusedFile as refusal:
        return f"refused at upload: {refusal.code}", one_line(str(refusal))
    try:
        result = practice.check(checked.source, leaves_out=practice.data.facts.leave_out.applies_to(path.name))
    except PracticeFailed as error:
        return "not judged: the platform's fault", one_line(str(error))
    if result.fault is not None:
        whose = "" if result.fault.owner is Owner.PARTICIPANT else "not judged, "
        return f"{whose}fails: {result.fault.code}", one_line(result.fault.message)
    left_out = result.report.left_out
    return (REDUCED if left_out else RUNS), one_line("; ".join(left_out))


def packages_of(path: Path, practice: Practice) -> set[str]:
    """Return the modules that a file imports anywhere and the standard library has not; nothing of a refused file."""
    try:
        source = check_file(
            path.read_bytes(), filename=path.name, limit_bytes=practice.data.facts.limits.upload_bytes
        ).source
    except RefusedFile:
        return set()
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names


def one_line(text: str) -> str:
    """Return the text without line ends."""
    return " ".join(text.split())


def print_counts(counts: Counter[str], imports: Counter[str], *, as_json: bool) -> None:
    """Print how many files there are of each verdict, and how many import each package."""
    if as_json:
        verdicts, imported = dict(counts.most_common()), dict(imports.most_common())
        print(json.dumps({"files": counts.total(), "verdicts": verdicts, "imports": imported}))
        return
    good = counts[RUNS] + counts[REDUCED]
    print(f"\n{counts.total()} files, {good} run")
    for verdict, count in counts.most_common():
        print(f"{count:6}  {verdict}")
    print("\nimported by " + ", ".join(f"{count}: {name}" for name, count in imports.most_common()))


if __name__ == "__main__":
    main()
