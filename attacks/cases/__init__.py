"""One hostile submission a file. Nothing imports them: they are read, and executed inside the sandbox.

A file begins with a docstring whose first paragraph says what it tries. Its constants are literals:

- `LAYER`: the layer that must stop it (`attacks.case.Layer`);
- `EXPECTED`: the code that its author may see, or several: a fault code, or `ok` when the attack gains nothing;
- `HARNESS`: `plain` (the default), where `unlearning` gets lists of labels and returns its loot, or `torch`, where it
  prints its loot behind the word LOOT. On the layer `static-check` there is none: `upload()` builds the hostile file;
- `SCENE`: `check` (the default), `run` on hidden data, or `both`, for attacks that must behave in the first;
- `RUNS`, `AT_ONCE`: how often it is called, and whether at the same time;
- `MACHINE`: the processor that it is written for, when it makes system calls by number.

`/sandbox/inputs/targets.json` tells it where the secrets, listeners and files are that the runner has planted.
"""
