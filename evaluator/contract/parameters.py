"""What each parameter of a submission's function is given: by its name, or by its place where no name says otherwise.

Standard library only: the server asks before anything runs, and the guest asks again with the function itself.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lethe.evaluator.contract.submission import EXTRA_PARAMETERS, FUNCTION, PARAMETERS
from lethe.evaluator.errors import EvaluatorError

ORIGINAL = "original"
TRAIN = "train"
MEANINGS = {
    "net": "the network to change",
    "retain": "the retain set",
    "forget": "the forget set",
    "validation": "the validation set",
    TRAIN: "retain and forget set together",
    ORIGINAL: "a frozen copy of the original network",
    "device": "the network's device",
    "class_weights": "the weights of the classes",
    "seed": "the run's seed",
    "param_names": "the names of the network's parameters",
}
"""What a parameter can be given, and the words of notes for it."""
SIGNATURE = f"def {FUNCTION}({', '.join(PARAMETERS)}):"


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words in a parameter's name, in the order in which they decide: `retain_train_loader` is the retain set.
_WORDS = (
    ("forget", _listed("forget forgotten forgetting unlearn erase erased fgt delete deleted removed")),
    ("retain", _listed("retain retained retaining retention remain remaining remained ret keep kept")),
    ("validation", _listed("validation val valid valids vali eval evaluation dev heldout holdout held")),
    ("test", _listed("test testing tests")),
    (TRAIN, _listed("train training full")),
)
_NETWORKS = _listed("net network model module student")
_TEACHERS = _listed("teacher original orig")
_ORIGINALS = _TEACHERS | _listed("o old ori pretrained frozen initial")  # beside a word for a network
_LOADERS = _listed("loader loaders dataloader dl data")
# Words that hold no loader and no network: a name with one of them is never bound by its place.
_SETTINGS = _listed(
    "lr rate epochs epoch alpha beta gamma lam lamda lambda temperature temp steps step size momentum decay wd optim "
    "optimizer scheduler criterion loss config cfg conf args arg params hparams opt options num n k verbose debug path "
    "dir folder name device seed seeds weights weight names dataset datasets threshold ratio sigma std noise scale "
    "iters iterations max min total logger log writer run index idx i rank class classes label labels fraction frac "
    "prob round rounds start end"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Parameter:
    """One parameter as the function declares it. `kind` is that of `inspect.Parameter`, in its spelling there."""

    name: str
    has_default: bool = False
    kind: str = "POSITIONAL_OR_KEYWORD"

    @property
    def is_positional(self) -> bool:
        return self.kind in {"POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD"}


@dataclass(frozen=True)
class Binding:
    """What a call passes: parameter name → one of `MEANINGS`, and what goes into `*args`.

    `kept` are the parameters that keep their default although an earlier place in the list would be a loader's.
    """

    given: dict[str, str]
    rest: tuple[str, ...] = ()
    kept: tuple[str, ...] = field(default=())

    @property
    def is_in_order(self) -> bool:
        """Whether a call without names passes the same."""
        core = [meaning for meaning in self.given.values() if meaning in PARAMETERS]
        return (*core, *self.rest) == PARAMETERS and not self.kept

    @property
    def is_plain(self) -> bool:
        """Whether the call is the documented one: the four arguments in their order, extras by their exact names."""
        extras = [(name, meaning) for name, meaning in self.given.items() if meaning not in PARAMETERS]
        return self.is_in_order and all(name == meaning in EXTRA_PARAMETERS for name, meaning in extras)

    def note(self) -> str:
        """Return the sentence that says what is bound to what."""
        parts = [f"{name} is {MEANINGS[meaning]}" for name, meaning in self.given.items()]
        parts += [f"{name} keeps its default" for name in self.kept]
        return f"{FUNCTION}: {', '.join(parts)}"


class Unbindable(EvaluatorError, ValueError):
    """No call gives every parameter what its name says; the message names the parameters and the signature to write."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; write {SIGNATURE}")


def bind(parameters: Iterable[Parameter]) -> Binding:
    """Return what each of `parameters` is given; raises Unbindable where names do not decide it.

    Names decide first. A required parameter whose name says nothing gets what the contract has in its place, provided
    that no name contradicts the contract's order and all four places are there. Others need a default, which they keep.
    """
    declared = list(parameters)
    open_ended = any(one.kind == "VAR_POSITIONAL" for one in declared)
    declared = [one for one in declared if one.is_positional or one.kind == "KEYWORD_ONLY"]
    given: dict[str, str] = {}
    for name, meaning in _claims(declared):
        if meaning in given.values():
            other = next(one for one, taken in given.items() if taken == meaning)
            raise Unbindable(f"both {other} and {name} would be {MEANINGS[meaning]}")
        given[name] = meaning
    places = [one for one in declared if one.is_positional][: len(PARAMETERS)]
    in_order = all(given.get(one.name, place) == place for one, place in zip(places, PARAMETERS, strict=False))
    is_whole = len(places) == len(PARAMETERS) or open_ended
    kept = []
    for one in declared:
        if one.name in given:
            continue
        place = PARAMETERS[places.index(one)] if one in places else None
        words = _words(one.name)
        fits = in_order and place is not None and place not in given.values() and not words & _SETTINGS
        others_named = all(other.name in given or other.has_default for other in declared if other is not one)
        is_sure = is_whole or (place == "net" and others_named)
        if place is not None and fits and is_sure and (not one.has_default or words & _LOADERS):
            given[one.name] = place
            continue
        if not one.has_default:
            raise Unbindable(_unclear(one, declared))
        if place is not None:
            kept.append(one.name)
    if "net" not in given.values() and not open_ended:
        raise Unbindable(f"it takes ({', '.join(one.name for one in declared)}), and none of them is the network")
    rest = PARAMETERS[len(places) :] if open_ended else ()
    if not {"retain", "forget", TRAIN} & {*given.values(), *rest}:
        raise Unbindable(f"it takes ({', '.join(one.name for one in declared)}), and none of them is data")
    if rest and (not in_order or kept or set(rest) & set(given.values())):
        raise Unbindable("names and order of the parameters before the star contradict each other")
    ordered = {one.name: given[one.name] for one in declared if one.name in given}
    return Binding(ordered, rest, tuple(kept))


def is_argument(parameter: Parameter) -> bool:
    """Whether the name says something that the function could be given."""
    return _meaning(parameter) is not None


def parameters_of(function: object) -> list[Parameter]:
    """Return the parameters of a callable; those of `unlearning(*args)` where it has no readable signature."""
    try:
        found = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # raises TypeError itself
    except (TypeError, ValueError):
        return [Parameter("args", kind="VAR_POSITIONAL")]
    return [Parameter(one.name, one.default is not inspect.Parameter.empty, one.kind.name) for one in found]


def _claims(declared: list[Parameter]) -> list[tuple[str, str]]:
    """Return `(name, meaning)` for the names that say one, in order; one with a default yields to one without."""
    found = {one.name: _meaning(one) for one in declared}
    required = {found[one.name] for one in declared if not one.has_default}
    for one in declared:
        meaning = found[one.name]
        if one.has_default and (meaning in required or meaning in list(found.values())[: list(found).index(one.name)]):
            found[one.name] = None
    first = declared[0].name if declared else ""
    if "net" not in found.values() and found.get(first) == ORIGINAL:
        found[first] = "net"  # `unlearning(original_model, retain, …)`: the only network is the one to change
    tests = [one for one in declared if found[one.name] == "test"]
    if tests and "validation" not in found.values():
        found[tests[0].name] = "validation"  # the only set that is held out
        tests = tests[1:]
    for one in tests:
        if not one.has_default:
            raise Unbindable(f"{one.name}: no test set is given; leave it out")
        found[one.name] = None
    if "retain" not in found.values():
        second = declared[1].name if len(declared) > 1 else ""
        if found.get(second) == TRAIN:
            found[second] = "retain"  # in the contract's place of the retain set, which nothing else is
        elif TRAIN in found.values():
            name = next(name for name, meaning in found.items() if meaning == TRAIN)
            raise Unbindable(f"{name} may be the retain set, or retain and forget set together")
    return [(name, meaning) for name, meaning in found.items() if meaning is not None]


def _meaning(parameter: Parameter) -> str | None:
    """Return what a name says, or "test", or None. With a default, fewer names say something: it may be wanted."""
    exact = parameter.name if parameter.has_default else parameter.name.lower()
    if exact in EXTRA_PARAMETERS:
        return exact
    words = _words(parameter.name)
    if words & _SETTINGS:
        return None
    if words & _TEACHERS or (words & _ORIGINALS and words & _NETWORKS):
        return None if parameter.has_default else ORIGINAL
    if words & _NETWORKS:
        return "net"
    found = next((meaning for meaning, listed in _WORDS if words & listed), None)
    return None if found == TRAIN and parameter.has_default else found


def _words(name: str) -> set[str]:
    return {word.lower() for part in name.split("_") for word in _CAMEL.split(part) if word}


def _unclear(one: Parameter, declared: list[Parameter]) -> str:
    listed = ", ".join(parameter.name for parameter in declared)
    return f"it takes ({listed}), and {one.name} would stay unbound or be a guess: give it a default or a clear name"
