"""An attack: one file with hostile code, the layer that must stop it and the codes that its author may see."""

import ast
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from lethe.evaluator.contract.faults import FaultCode

OK = "ok"


class Layer(StrEnum):
    """A layer of defence."""

    STATIC_CHECK = "static-check"
    """The check of an upload before any of it is executed."""
    FILESYSTEM = "filesystem"
    """The jail's files, which are few and read-only."""
    NETWORK = "network"
    """The empty network namespace and the socket families."""
    NAMESPACES = "namespaces"
    """Processes, users and capabilities of a run's own."""
    SECCOMP = "seccomp"
    """The system calls that are denied."""
    LIMITS = "limits"
    """Time, memory, processes, files, scratch space, output."""
    PIPES = "pipes"
    """The host's ends of a run's pipes, and its verdict on the run."""
    ISOLATION = "isolation-between-runs"
    """Each run starts from the same state, whatever ran before or runs beside it."""
    RESULT_CHECK = "result-check"
    """The comparison of claimed weights with the original architecture."""
    INFERENCE = "inference"
    """The child process that computes outputs, which may be killed."""
    LEAK_POLICY = "leak-policy"
    """The rule of what is shown of a run on hidden data."""


class Harness(StrEnum):
    """The harness that calls a hostile function."""

    PLAIN = "plain"
    """Torch-free and quick; the function returns its loot, as bytes or as anything that is true when it succeeded."""
    TORCH = "torch"
    """The evaluator's own, with a small network; loot is printed behind the word LOOT."""
    NONE = "none"
    """None: the file's `upload()` builds what is uploaded, and the static check refuses it."""


class Scene(StrEnum):
    """The stage of an evaluation that an attack runs in."""

    CHECK = "check"
    """On practice data, where everything is shown."""
    RUN = "run"
    """On hidden data, where only a code and a line are shown."""
    BOTH = "both"
    """First on practice data, where it must behave, then on hidden data."""


@dataclass(frozen=True)
class Case:
    """One attack. `expected` holds the codes that its author may see: fault codes, or `ok`.

    runs: how often it is called, each time as a run of its own; at_once: at the same time. machine: the processor that
    the attack is written for, None for any. gpu: whether it is an attack on a GPU. observed: whether other runs must
    see the same before it, after it and beside it, in both stages.
    """

    name: str
    summary: str
    layer: Layer
    expected: frozenset[str]
    source: bytes
    harness: Harness = Harness.PLAIN
    scene: Scene = Scene.CHECK
    runs: int = 1
    at_once: bool = False
    machine: str | None = None
    gpu: bool = False
    observed: bool = False


@dataclass(frozen=True)
class AuthorView:
    """What the author of an attack sees of one call: code, line and every text; and the loot that it carried out."""

    code: str
    texts: tuple[str, ...] = ()
    line: int | None = None
    loot: bytes = b""


class MalformedCase(ValueError):
    """A file of the corpus does not say what it must."""


def load_cases() -> tuple[Case, ...]:
    """The corpus, ordered by layer and name; raises MalformedCase."""
    found = [
        read_case(file.name.removesuffix(".py"), file)
        for file in files("lethe.attacks.cases").iterdir()
        if file.name.endswith(".py") and file.name != "__init__.py"
    ]
    order = list(Layer)
    return tuple(sorted(found, key=lambda case: (order.index(case.layer), case.name)))


def read_case(name: str, file: Traversable) -> Case:
    """The case in `file`, of which nothing is executed; raises MalformedCase."""
    source = file.read_bytes()
    tree = ast.parse(source)
    summary = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
    constants = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in _CONSTANTS
    }
    if not summary or not {"LAYER", "EXPECTED"} <= constants.keys():
        raise MalformedCase(f"{name} needs a docstring, LAYER and EXPECTED")
    wanted = constants["EXPECTED"]
    expected = frozenset([wanted] if isinstance(wanted, str) else wanted)
    unknown = expected - {OK, *FaultCode}
    if unknown:
        raise MalformedCase(f"{name} expects {sorted(unknown)[0]!r}, which nobody ever sees")
    try:
        layer = Layer(constants["LAYER"])
        usual = Harness.NONE if layer is Layer.STATIC_CHECK else Harness.PLAIN
        harness = Harness(constants.get("HARNESS", usual))
        scene = Scene(constants.get("SCENE", Scene.CHECK))
    except ValueError as error:
        raise MalformedCase(f"{name}: {error}") from error
    more: dict[str, Any] = {
        "runs": constants.get("RUNS", 1),
        "at_once": constants.get("AT_ONCE", False),
        "machine": constants.get("MACHINE"),
        "gpu": constants.get("GPU", False),
        "observed": constants.get("OBSERVED", False),
    }
    return Case(name, summary, layer, expected, source, harness, scene, **more)


_CONSTANTS = frozenset({"LAYER", "EXPECTED", "HARNESS", "SCENE", "RUNS", "AT_ONCE", "MACHINE", "GPU", "OBSERVED"})
