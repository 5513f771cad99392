"""`python -m tests.record.make`: what the present code shows becomes the record, for a reviewer to read as a diff.

Write each difference that is intended into differences.md; the test asks for the names of the files that differ from
the record of 4f177e3.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.record.observed import GROUPS, NUMBERS, SHOWN, as_text, computed, original
from tests.record.stored import numbers


def main() -> None:
    """Write every file anew; those that are no longer shown go."""
    for name in [name for name in os.environ if name.startswith("LETHE_")]:
        del os.environ[name]  # the machine's own Lethe
    with tempfile.TemporaryDirectory() as scratch:
        found = original(Path(scratch))
        texts = {name: text for group in GROUPS.values() for name, text in group(found).items()}
        NUMBERS.write_text(as_text({**numbers(found.home), "computed": computed(found)}), encoding="utf-8")
    shutil.rmtree(SHOWN, ignore_errors=True)
    for name, text in texts.items():
        (SHOWN / name).parent.mkdir(parents=True, exist_ok=True)
        (SHOWN / name).write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{len(texts)} files are in {SHOWN.name}/; now look at: git diff {SHOWN.parent.name}\n")


if __name__ == "__main__":
    main()
