"""Accuracies of a network while a submission trains it on practice data, at a few of its optimiser steps.

Nothing of the submission's is called or changed: its weights are read, and a network of the harness's own computes with
them, in evaluation mode, without a random number. So the weights that come out are the same, bit for bit.
"""

import gc
import json
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from time import perf_counter, process_time

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.module import _has_any_global_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

PARTS = ("retain", "forget", "test")
MAX_POINTS = 18
"""Points of a curve between its two ends, which the trusted side adds."""
TIME_SHARE = 0.08
"""The share of a run's time that may go into its curve: a tenth, less what a point takes longer than expected, and what
the run itself takes longer after one, because its data are no longer in the processor's cache."""
FIRST_POINT_S = 0.05
"""What a point takes, as long as none was measured."""
SEARCH_S = 0.02
MAX_SEARCHES = 3
# What reading foreign weights can raise. No more: a submission's own alarm may go off here, and has to reach it.
_FAILURES = (RuntimeError, MemoryError, AttributeError, TypeError)


@dataclass(frozen=True)
class AccuracyProbe:
    """What a curve is measured with: a network, and images (M, 3, H, W) uint8 with labels (M,), part after part.

    `ends`: where each part ends. `point_s`: what a point takes; `limit_s`: what one curve may take at most; both by
    `clock`: seconds of this process, or with a GPU those of a wall.
    """

    net: nn.Module
    images: Tensor
    labels: Tensor
    ends: tuple[int, ...]
    limit_s: float
    clock: Callable[[], float]
    point_s: float = FIRST_POINT_S

    @torch.no_grad()
    def accuracies(self, state: Mapping[str, Tensor]) -> tuple[float, ...]:
        """Return the accuracy on each of PARTS of a network with these weights."""
        device = next(iter(state.values())).device
        logits = functional_call(self.net, dict(state), (self.images.to(device, torch.float32),))
        hits = (logits.argmax(1).cpu() == self.labels).tolist()
        return tuple(sum(hits[start:end]) / (end - start) for start, end in pairwise((0, *self.ends)))

    def state_of(self, net: nn.Module) -> dict[str, Tensor] | None:
        """Return the weights of `net` as this probe needs them; None where they have other names or shapes."""
        found = {
            **dict(net.named_parameters(remove_duplicate=False)),
            **dict(net.named_buffers(remove_duplicate=False)),
        }
        state = {}
        for name, expected in self.net.state_dict().items():
            value = found.get(name)
            if value is None or value.shape != expected.shape:
                return None
            state[name] = value.detach().to(expected.dtype)
        return state


def make_probe(net: nn.Module, sample: Mapping[str, Tensor], limit_s: float, *, is_on_cpu: bool) -> AccuracyProbe:
    """Return the probe over the images of `sample`. `net` becomes its own."""
    labels = [sample[f"{part}.labels"] for part in PARTS]
    probe = AccuracyProbe(
        net.eval().requires_grad_(False),
        torch.cat([sample[f"{part}.images"] for part in PARTS]),
        torch.cat(labels),
        tuple(accumulate(map(len, labels))),
        limit_s,
        process_time if is_on_cpu else perf_counter,
    )
    if not is_on_cpu or torch.get_num_threads() > 1:  # this would start threads, which forks lack
        return probe
    state = dict(net.state_dict())
    probe.accuracies(state)  # prepares the kernels for images in this number
    started = probe.clock()
    probe.accuracies(state)
    return replace(probe, point_s=probe.clock() - started)


@dataclass
class _Trained:
    """A network that an optimiser changes: its steps, the next one to be measured, and what was measured."""

    net: "weakref.ref[nn.Module]"
    steps: int = 0
    due: float = 1
    stride: int = 1
    points: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, accuracies: Sequence[float]) -> None:
        """Keep a point; when there are too many, keep every other one and wait twice as long between them."""
        self.points.append((self.steps, *(round(value, 4) for value in accuracies)))
        if len(self.points) > MAX_POINTS:
            self.points = self.points[1::2]
            self.stride *= 2
        self.due = (self.steps // self.stride + 1) * self.stride


class CurveRecorder:
    """Counts the optimiser steps of a run, and measures accuracies at some of them.

    Steps of several optimisers of one network add up. What an optimiser changes that is no such network, or a network
    with other layers, is not counted.
    """

    def __init__(self, probe: AccuracyProbe, given: nn.Module) -> None:
        self._probe = probe
        self._given = given
        self._started = probe.clock()
        self._spent_s = 0.0
        self._point_s = probe.point_s
        self._searches = MAX_SEARCHES
        self._networks: list[_Trained] = []
        self._by_optimizer: weakref.WeakKeyDictionary[Optimizer, _Trained | None] = weakref.WeakKeyDictionary()
        self._is_off = False
        self._hook = register_optimizer_step_post_hook(self._stepped)

    def curve_of(self, net: nn.Module) -> bytes:
        """Return as JSON the steps and points of `net`, or, if no optimiser changed it, of what was trained longest."""
        self._hook.remove()
        networks = sorted(self._networks, key=lambda one: (one.net() is net, one.steps))
        if not networks:
            return b""
        return json.dumps({"steps": networks[-1].steps, "points": networks[-1].points}).encode()

    def _stepped(self, optimizer: Optimizer, _arguments: object, _named: object) -> None:
        if self._is_off:
            return
        try:
            trained = self._trained_by(optimizer)
            if trained is None:
                return
            trained.steps += 1
            if trained.steps >= trained.due:
                self._measure(trained)
        except _FAILURES:
            self._is_off = True

    def _measure(self, trained: _Trained) -> None:
        """Measure a point, if there is time for it, and if nothing of the submission's would notice."""
        if self._left_s() < self._point_s or _would_disturb():
            return
        started = self._probe.clock()
        net = trained.net()
        state = None if net is None else self._probe.state_of(net)
        if state is None:
            trained.due = math.inf
        else:
            trained.add(self._probe.accuracies(state))
        self._point_s = self._probe.clock() - started
        self._spent_s += self._point_s

    def _left_s(self) -> float:
        elapsed_s = self._probe.clock() - self._started
        return min(TIME_SHARE * elapsed_s, self._probe.limit_s) - self._spent_s

    def _trained_by(self, optimizer: Optimizer) -> _Trained | None:
        if optimizer in self._by_optimizer:
            return self._by_optimizer[optimizer]
        parameters = {id(one) for group in optimizer.param_groups for one in group["params"]}
        net = self._given if _has_any(self._given, parameters) else None
        if net is None and self._searches:
            if self._left_s() < SEARCH_S:
                return None  # this step is not counted
            net = self._search(parameters)
        trained = None
        if net is not None:
            trained = next((one for one in self._networks if one.net() is net), None)
            if trained is None:
                trained = _Trained(weakref.ref(net))
                self._networks.append(trained)
        self._by_optimizer[optimizer] = trained
        return trained

    def _search(self, parameters: set[int]) -> nn.Module | None:
        """Return the network of the original's class, made in this run, that has one of these parameters."""
        started = self._probe.clock()
        self._searches -= 1
        kind = type(self._probe.net)
        found = (one for one in gc.get_objects() if type(one) is kind and one is not self._probe.net)
        net = next((one for one in found if _has_any(one, parameters)), None)
        self._spent_s += self._probe.clock() - started
        return net


def _has_any(net: nn.Module, parameters: set[int]) -> bool:
    return any(id(one) in parameters for one in net.parameters())


def _would_disturb() -> bool:
    """Whether hooks of the submission's would be called, or the work of a GPU is recorded, which reading breaks."""
    if _has_any_global_hook():  # type: ignore[no-untyped-call]  # torch's own
        return True
    is_in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch's own
    return is_in_use and torch.cuda.is_current_stream_capturing()


def with_curve(weights: bytes, curve: bytes) -> bytes:
    """Return both as one payload: the length of the curve in four bytes, the curve, the weights."""
    return len(curve).to_bytes(4, "big") + curve + weights
