"""Every baseline can be uploaded, runs for real, and does what its name says."""

import ast
import copy
import importlib
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lethe.evaluator.contract.networks import Network
from lethe.evaluator.models import build_model
from lethe.server.submissions.static_check import check_source
from tests.unit.baselines.conftest import BASELINES, CLASSES, RunBaseline, State

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for path in BASELINES.glob("*.py") if path.stem != "__init__")
COMBINATIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    *((name, {"BASE": base}) for name in ("grad_mask", "grad_focus", "opt") for base in ("srl", "scrub")),
    *(("opt", {"ADD_ON": add_on}) for add_on in ("", "focus")),
    ("srfl", {"VARIANT": "code"}),
]
FORGETTING = (
    "gradient_ascent",
    "ng_plus",
    "random_labels",
    "scrub",
    "salun",
    "ng_salun",
    "grad_mask",
    "grad_focus",
    "opt",
)

# Gradients of what is known by renewal are small.
CLIMB = {"STEPS": 60, "LEARNING_RATE": 0.1}

Loss = Callable[[State, str], float]


def short(name: str) -> dict[str, int]:
    """Constants that leave one round of everything."""
    source = (BASELINES / f"{name}.py").read_text()
    phases = ("LAYER_EPOCHS", "DISTILLATION_EPOCHS", "FIRST_EPOCHS", "NOISY_EPOCHS", "LAST_EPOCHS")
    rounds = ("EPOCHS", "ROUNDS", "STEPS", *phases)
    return {constant: 1 for constant in rounds if f"\n{constant} = " in source}


def module(name: str) -> Any:
    return importlib.import_module(f"baselines.{name}")


def moved(before: State, after: State) -> dict[str, Tensor]:
    """Which entries differ, by tensor."""
    return {name: before[name] != after[name] for name in before}


@pytest.mark.parametrize("name", NAMES)
def test_server_would_take_it(name: str) -> None:
    source = (BASELINES / f"{name}.py").read_bytes()
    assert check_source(source, limit_bytes=8 * 2**10) == []
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring, "says what it does"


@pytest.mark.parametrize(("name", "constants"), COMBINATIONS, ids=lambda value: str(value))
def test_run(name: str, constants: dict[str, Any], run: RunBaseline, original: nn.Module) -> None:
    before = original.state_dict()
    first, again, other = (run(name, seed=seed, **short(name), **constants) for seed in (1, 1, 2))
    assert {key: value.shape for key, value in first.items()} == {key: value.shape for key, value in before.items()}
    assert all(value.isfinite().all() for value in first.values())
    assert all(torch.equal(first[key], again[key]) for key in first), "the seed decides everything"
    is_same = all(torch.equal(first[key], before[key]) for key in first)
    assert is_same == (name == "noop")
    if name != "noop":
        assert any(not torch.equal(first[key], other[key]) for key in first), "runs differ by their seeds"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "noop"])
def test_resnet18(name: str, run: RunBaseline) -> None:
    torch.manual_seed(0)
    net = build_model("resnet18", CLASSES)
    state = run(name, net=net, batch_size=32, **short(name))
    assert all(value.isfinite().all() for value in state.values())
    assert set(state) == set(net.state_dict())
    assert not torch.equal(state["layer1.0.conv1.weight"], net.state_dict()["layer1.0.conv1.weight"])


# Without these layers a baseline cannot run; docs/methods.md has the same table.
NEEDS = {"alif": "fc", "reset_head": "fc", "srfl": "layer1"}
OTHERS = {
    "mobilenet": Network("torchvision:mobilenet_v2", {"width_mult": 0.1}),
    "module": Network(
        "model.py",
        source="""
from torch import nn

def build(classes):
    convolutions = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, bias=False))
    return nn.Sequential(convolutions, nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(392, classes))
""",
    ),
}


@pytest.mark.parametrize("network", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", NAMES)
def test_other_networks(name: str, network: Network, run: RunBaseline) -> None:
    torch.manual_seed(0)
    net = build_model(network.text, CLASSES)
    if name in NEEDS:
        with pytest.raises((AttributeError, ValueError)):
            run(name, net=net, batch_size=32, **short(name))
        return
    state = run(name, net=net, batch_size=32, **short(name))
    assert set(state) == set(net.state_dict())
    assert all(value.isfinite().all() for value in state.values())
    assert (name == "noop") == all(torch.equal(state[key], value) for key, value in net.state_dict().items())


def test_the_page_names_the_layers_that_baselines_need() -> None:
    page = (BASELINES.parent / "docs/methods.md").read_text()
    rows = page.split("| file | needs |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    named = {file.strip("` "): need for file, need in (row.strip("|").split("|") for row in rows)}
    assert named.keys() == NEEDS.keys()
    assert all(f"`{layer}" in named[name] for name, layer in NEEDS.items())


@pytest.mark.parametrize("name", FORGETTING)
def test_loss_on_the_forget_set_rises(name: str, run: RunBaseline, loss: Loss, original: nn.Module) -> None:
    state = run(name, **(CLIMB if name == "gradient_ascent" else {}))
    assert loss(state, "forget") > loss(original.state_dict(), "forget") + 0.3
    if name != "gradient_ascent":
        assert loss(state, "retain") < 1.0  # chance is 1.39


def test_ascent_ruins_the_network(run: RunBaseline, loss: Loss) -> None:
    assert loss(run("gradient_ascent", **CLIMB), "retain") > 1.0


def test_finetuning_keeps_what_it_knows(run: RunBaseline, loss: Loss) -> None:
    assert loss(run("finetune"), "retain") < 0.2


def test_masks_that_let_nothing_through(run: RunBaseline, original: nn.Module) -> None:
    before = original.state_dict()
    parameters = [name for name, _ in original.named_parameters()]
    state = run("grad_mask", THRESHOLD=1.1)
    assert all(torch.equal(state[name], before[name]) for name in parameters)
    state = run("salun", QUANTILE=1.0)
    assert sum(int(moved(before, state)[name].sum()) for name in parameters) == 1  # the same one in all steps
    half = run("ng_salun", QUANTILE=0.5, EPOCHS=1)
    assert 0.4 < moved(before, half)["layer4.0.conv2.weight"].float().mean() < 0.85


def test_saliency_is_one_mask_for_all_weights(original: nn.Module, tensors: State) -> None:
    salun = module("salun")
    net, parts = copy.deepcopy(original), (tensors["forget.images"].float(), tensors["forget.labels"])
    weights = list(net.parameters())
    masks = salun.saliency(net, weights, [parts], torch.device("cpu"))
    loss = nn.functional.cross_entropy(net.eval()(parts[0]), parts[1])
    sizes = [gradient.abs() for gradient in torch.autograd.grad(loss, weights)]
    chosen = torch.cat([size[mask == 1] for size, mask in zip(sizes, masks, strict=True)])
    others = torch.cat([size[mask == 0] for size, mask in zip(sizes, masks, strict=True)])
    assert len(chosen) / (len(chosen) + len(others)) == pytest.approx(1 - salun.QUANTILE, abs=0.01)
    assert chosen.min() >= others.max() * (1 - 1e-3)  # sums over another order of images
    shares = [float(mask.mean()) for mask in masks]
    assert max(shares) - min(shares) > 0.5, "some tensors matter more than others"


@pytest.mark.parametrize("name", ["grad_mask", "grad_focus", "opt"])
def test_agreement_of_gradients(name: str) -> None:
    agreement = module(name).Agreement()
    gradient = torch.tensor([3.0, -3.0, 3.0, 0.0])
    first = agreement(gradient, gradient)  # the moment starts at a tenth of the square
    certain = torch.special.ndtr(torch.tensor(10**0.5))
    assert torch.allclose(first[:3], certain**2 + (1 - certain) ** 2)
    for _ in range(3):
        probability = agreement(gradient, torch.tensor([2.0, -2.0, -2.0, 5.0]))
    assert (probability[:2] > 0.6).all()
    assert probability[2] < 0.4
    assert probability[3] == 0.5


def test_projection_leaves_out_as_little_as_helps_both() -> None:
    opt = module("opt")
    generator = torch.Generator().manual_seed(0)
    beta, alpha = opt.BETA, 1 - opt.BETA

    def helps(retain: Tensor, forget: Tensor, stays: Tensor) -> bool:
        update = stays * (beta * retain + alpha * forget)
        return bool((update * retain).sum() >= -1e-5 and (update * forget).sum() >= -1e-5)

    for shift in (-1.0, -0.3, 0.0, 1.0):
        retain = torch.randn(40, generator=generator)
        forget = shift * retain + torch.randn(40, generator=generator)
        stays = opt.agreeing(retain.view(8, 5), forget.view(8, 5)).flatten()
        assert helps(retain, forget, stays)
        left_out = int((stays == 0).sum())
        assert (retain * forget)[stays == 0].le((retain * forget)[stays == 1].min()).all() or left_out in (0, 40)
        if left_out:
            one_fewer = torch.ones(40)
            one_fewer[(retain * forget).argsort()[: left_out - 1]] = 0
            assert not helps(retain, forget, one_fewer)
    assert opt.agreeing(torch.ones(4), torch.ones(4)).sum() == 4
    assert opt.agreeing(torch.ones(4), -torch.ones(4)).sum() == 0


@pytest.mark.parametrize("add_on", ["", "mask", "focus"])
def test_projection_sees_what_the_add_on_leaves(add_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that the mask takes away contradicts nothing, so that the projection leaves out none for it."""
    opt = module("opt")
    monkeypatch.setattr(opt, "ADD_ON", add_on)
    probability = torch.tensor([0.1, 0.9, 0.9])
    share = opt.added(probability)
    expected = {"": [1.0, 1.0, 1.0], "mask": [0.0, 1.0, 1.0], "focus": probability.tolist()}
    assert share.tolist() == pytest.approx(expected[add_on])
    retain, forget = torch.tensor([30.0, 1.0, 0.1]), torch.tensor([-30.0, 1.0, -0.1])
    stays = opt.agreeing(share * retain, share * forget)
    assert stays.tolist() == ([1.0, 1.0, 1.0] if add_on == "mask" else [0.0, 1.0, 1.0])


def test_kernels_are_transposed() -> None:
    net = build_model("resnet-small", CLASSES)
    before = net.conv1.weight.detach().clone()
    module("conv_transpose").transpose(net)
    assert torch.equal(net.conv1.weight, before.transpose(2, 3))
    assert not torch.equal(net.conv1.weight, before)


def test_noise_falls_on_the_least_important_weights() -> None:
    weight = nn.Parameter(torch.ones(10, 10))
    importance = torch.arange(100.0).view(10, 10)
    module("masked_small_gradient").perturb(weight, importance)
    changed = weight.detach() != 1
    assert int(changed.sum()) == 30
    assert changed.flatten()[:30].all()


def test_fisher_noise_spares_what_matters() -> None:
    fisher_noise = module("fisher_noise")
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(2000))
    before = weight.detach().clone()
    information = torch.where(torch.arange(2000) < 1000, 1e4, 1e-8)
    fisher_noise.add_noise(weight, information)
    change = (weight.detach() - before).abs()
    assert change[:1000].mean() < 0.01 * change[1000:].mean()
    assert float(change[1000:].std() / before.std()) < fisher_noise.LARGEST


@pytest.mark.parametrize("variant", ["text", "code"])
def test_srfl_trains_the_first_layers_only(variant: str, run: RunBaseline, original: nn.Module) -> None:
    changed = moved(original.state_dict(), run("srfl", VARIANT=variant))
    for name, _ in original.named_parameters():
        assert bool(changed[name].any()) == name.startswith(("layer1.", "layer2.")), name


def test_rolling_by_one_class_in_the_text_and_by_three_in_the_code() -> None:
    srfl = module("srfl")
    logits = torch.arange(10.0)[None]
    assert {int(srfl.roll(logits, srfl.TEXT_STEPS).argmin()) for _ in range(60)} == {9, 0, 1}
    assert {int(srfl.roll(logits, srfl.CODE_STEPS).argmin()) for _ in range(60)} == {7, 3}


def test_auxiliary_layer_starts_as_nothing(original: nn.Module, tensors: State) -> None:
    images = tensors["forget.images"].float()
    teacher = module("alif").with_layer(copy.deepcopy(original))
    assert torch.allclose(teacher(images), original(images), atol=1e-5)


def test_contrastive_loss_is_least_where_all_are_equally_similar() -> None:
    contrastive = module("contrastive")
    generator = torch.Generator().manual_seed(0)
    gone, kept = (torch.randn(count, CLASSES, generator=generator) for count in (3, 5))
    dots = gone @ kept.T / contrastive.TEMPERATURE
    by_hand = (dots.exp().sum(1).log() - dots.mean(1)).mean()
    assert contrastive.unevenness(gone, kept).item() == pytest.approx(by_hand.item(), rel=1e-5)
    same = contrastive.unevenness(gone, kept[:1].expand(5, CLASSES)).item()
    assert same == pytest.approx(math.log(5), rel=1e-5)
    assert same < by_hand.item()


def test_noise_falls_on_the_first_convolution_and_again_before_the_last_epoch(
    original: nn.Module, run: RunBaseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = module("noise_finetune")
    for architecture in ("resnet-small", "resnet18"):
        net = build_model(architecture, CLASSES)
        before = copy.deepcopy(net.state_dict())
        baseline.add_noise(net, baseline.NOISE)
        changed = [name for name, found in moved(before, net.state_dict()).items() if found.any()]
        assert changed == ["conv1.weight"]
        assert (net.conv1.weight - before["conv1.weight"]).std().item() == pytest.approx(baseline.NOISE, rel=0.2)
    added: list[float] = []
    monkeypatch.setattr(baseline, "add_noise", lambda net, deviation: added.append(deviation))  # noqa: ARG005
    loader = [(torch.zeros(4, 3, 32, 32), torch.arange(4) % CLASSES)]
    baseline.unlearning(copy.deepcopy(original), loader, loader, loader)
    assert added == [baseline.NOISE, baseline.LAST_NOISE]


def test_small_weights_and_biases_of_all_layers_are_pruned(original: nn.Module) -> None:
    net, baseline = copy.deepcopy(original), module("prune_entropy")
    with torch.no_grad():
        net.fc.bias.fill_(1e-6)
    baseline.prune(net)
    assert (net.fc.bias == 0).all(), "pruned biases are not drawn anew"
    names = [name for name, value in net.named_parameters() if value.dim() > 1]
    assert "fc.weight" in names
    changed = moved(original.state_dict(), net.state_dict())
    share = sum(int(changed[name].sum()) for name in names) / sum(changed[name].numel() for name in names)
    assert share == pytest.approx(baseline.SHARE, abs=0.002)
    assert changed["fc.weight"].any()
    fresh = net.layer2[0].conv2.weight[changed["layer2.0.conv2.weight"]]
    assert fresh.abs().max() <= (24 * 9) ** -0.5
    assert not changed["bn1.weight"].any()


def test_weights_end_in_half_precision(run: RunBaseline) -> None:
    state = run("prune_entropy", **short("prune_entropy"))
    assert all(torch.equal(value, value.half().float()) for value in state.values() if value.is_floating_point())


def test_small_gradients_are_drawn_anew_and_others_follow_a_tenth(
    original: nn.Module, run: RunBaseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = copy.deepcopy(original)
    reinit = module("reinit_small_gradient")
    gradients = [torch.randn_like(kernel.weight) for kernel in reinit.kernels(net)]
    for (weight, mask), gradient in zip(reinit.reinitialise(net, gradients), gradients, strict=True):
        fresh = mask == 1
        assert fresh.float().mean().item() == pytest.approx(reinit.SHARE, abs=0.01)
        assert gradient.abs()[fresh].max() <= gradient.abs()[~fresh].min()
        assert weight.shape == mask.shape
    constants = {"EPOCHS": 1, "WEIGHT_DECAY": 0.0, "SHARE": 0.0, "MOMENTUM": 0.0}
    name = "layer4.0.conv2.weight"
    steps = [
        run("reinit_small_gradient", batch_size=64, OTHERS=others, **constants)[name] - original.state_dict()[name]
        for others in (0.1, 1.0)
    ]
    assert torch.allclose(10 * steps[0], steps[1], rtol=1e-2, atol=1e-5)


def test_distillation_goes_on_while_the_retain_set_is_trained_on(run: RunBaseline) -> None:
    warm, hot = (
        run("reset_ends", DISTILLATION_EPOCHS=0, EPOCHS=1, TEMPERATURE=temperature)["fc.weight"]
        for temperature in (5.0, 1e6)  # at the second all answers are even: nothing to learn from the teacher
    )
    assert not torch.equal(warm, hot)


def test_layers_with_noise_are_those_that_are_trained() -> None:
    baseline = module("noisy_layers")
    torch.manual_seed(0)
    net = build_model("resnet-small", CLASSES)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    noisy = range(baseline.FIRST_EPOCHS, baseline.FIRST_EPOCHS + baseline.NOISY_EPOCHS)
    for epoch in range(noisy.stop + baseline.LAST_EPOCHS):
        before = copy.deepcopy(net.state_dict())
        trained = baseline.layers_of(epoch, layers)
        changed = {name for name, found in moved(before, net.state_dict()).items() if found.any()}
        assert len(trained) == (len(layers) if epoch >= noisy.stop else baseline.LAYERS)
        assert len(changed) == (baseline.NOISY_LAYERS if epoch in noisy else 0)
        names = {f"{name}.weight" for name, layer in net.named_modules() if layer in trained}
        assert changed <= names


def test_layers_that_are_not_drawn_do_not_move(run: RunBaseline, original: nn.Module) -> None:
    constants = {"FIRST_EPOCHS": 1, "NOISY_EPOCHS": 0, "LAST_EPOCHS": 0}
    changed = moved(original.state_dict(), run("noisy_layers", **constants))
    kernels = [name for name, value in original.named_parameters() if value.dim() == 4]
    assert sum(bool(changed[name].any()) for name in kernels) in {4, 5}  # five layers, perhaps the head among them
    assert changed["bn1.weight"].any()


def test_wrong_labels_are_wrong() -> None:
    targets = torch.arange(5).repeat(40)
    drawn = module("random_labels").wrong_labels(targets, 5)
    assert (drawn != targets).all()
    assert set(drawn.tolist()) == set(range(5))


def test_what_is_repeated_is_the_same() -> None:
    """Files are self-contained, so they repeat functions; those must not drift apart."""
    seen: dict[str, tuple[str, str]] = {}
    for name in NAMES:
        for node in ast.parse((BASELINES / f"{name}.py").read_text()).body:
            is_shared = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in {
                "Agreement", "divergence", "endless", "losses", "salient", "wrong_labels"
            }  # fmt: skip
            if is_shared:
                text = ast.unparse(node)
                other, known = seen.setdefault(node.name, (name, text))
                assert known == text, f"{node.name} differs between {other} and {name}"
