"""What to change about the most frequent failures, told by what the submission raised on practice data."""

import re
from collections.abc import Callable
from typing import NamedTuple

from lethe.evaluator.contract.parameters import SIGNATURE, Parameter, is_argument

# Modules that people write beside their notebook, rather than packages that could be installed.
OWN_MODULES = frozenset(
    (
        *("utils", "util", "helper", "helpers", "model", "models", "data", "dataset", "datasets", "config", "metrics"),
        *("train", "trainer", "unlearn", "common", "src", "lib"),
    )
)


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    text: Callable[[re.Match[str]], str]
    is_about_batches: bool = False


def explain(message: str, batch_note: str = "") -> str:
    """Return what to do about `message`, an error's type and text, or an empty text where nothing is known.

    `batch_note` follows where numbers of batches may be the cause.
    """
    for rule in _RULES:
        found = rule.pattern.search(message)
        if found is not None:
            return f"{rule.text(found)} {batch_note if rule.is_about_batches else ''}".rstrip()
    return ""


def _module(found: re.Match[str]) -> str:
    name = found["name"].split(".")[0]
    if name in OWN_MODULES or name.startswith("_"):
        return (
            f"`{name}` is no package: a submission is one file, so put the functions of {name}.py into it, or write "
            "the module with `%%writefile` in a notebook."
        )
    return (
        f"`{name}` is not installed. If a package has it, name the package in a script block above all code; if "
        f"{name}.py is your own, put its functions into the file."
    )


def _name(found: re.Match[str]) -> str:
    name = found["name"]
    if is_argument(Parameter(name)):
        return f"`{name}` is not defined. unlearning is given it: use the argument, {SIGNATURE}"
    return f"`{name}` is not defined in the file. Define it at module level or in unlearning, above its first use."


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


def _rule(pattern: str, text: str | Callable[[re.Match[str]], str], *, is_about_batches: bool = False) -> _Rule:
    return _Rule(re.compile(pattern), text if callable(text) else _always(text), is_about_batches)


_RULES = (
    _rule(r"No module named '(?P<name>[\w.]+)'", _module),
    _rule(
        r"name resolution|Name or service not known|NameResolutionError|URLError|Max retries exceeded|"
        r"Network is unreachable|gaierror|ConnectionError|LocalEntryNotFoundError",
        "There is no network here. The data come as loaders and the weights in net: leave the download out, and use "
        "the arguments of unlearning.",
    ),
    _rule(
        r"NVIDIA driver|not compiled with CUDA|CUDA-capable device|CUDA error: no|Torch not compiled",
        "This worker has no GPU, and net is on the processor (cpu). Write device = next(net.parameters()).device once, "
        "then .to(device) instead of .cuda() and device=device instead of device='cuda'.",
    ),
    _rule(
        r"Expected all tensors to be on the same device",
        "net and the batches are on different devices. Write device = next(net.parameters()).device, and .to(device).",
    ),
    _rule(
        r"FileNotFoundError.*'(?P<name>[^']{1,200})'",
        lambda found: (
            f"There is no file {found['name']} here: a run has an empty folder, no data set and no weights "
            "on disk. Use the arguments of unlearning."
        ),
    ),
    _rule(r"NameError: (?:name|.*variable) '(?P<name>\w+)'", _name),
    _rule(
        r"UnboundLocalError.*'(?P<name>\w+)'",
        lambda found: (
            f"`{found['name']}` is assigned later in the same function, so it is local: name it `global` or "
            "assign it first."
        ),
    ),
    _rule(
        r"ZeroDivisionError",
        "Practice data are few: a loop may have fewer batches than it expects. Take the number of batches from "
        "len(loader), never less than one.",
        is_about_batches=True,
    ),
    _rule(
        r"StopIteration|IndexError: list index out of range",
        "A loader may have fewer batches than the code expects: start it again with iter(loader), or use "
        "itertools.cycle.",
        is_about_batches=True,
    ),
    _rule(
        r"KeyError: '?(?P<name>[\w]+)",
        lambda found: (
            f"A batch has no `{found['name']}`. It has image, age_group, image_id, age and person_id, or "
            "unpack it: inputs, targets = batch."
        ),
    ),
    _rule(
        r"Expected more than 1 value per channel",
        "Batch norm in training mode cannot take a batch of one image: drop it (drop_last=True) or use net.eval().",
    ),
    _rule(
        r"Read-only file system|Permission denied",
        "Only the working folder can be written, a scratch folder of the run: use a relative path.",
    ),
)
