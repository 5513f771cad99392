"""What each parameter of a submission's function is given."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lethe.evaluator.contract.parameters import (
    MEANINGS,
    SIGNATURE,
    Binding,
    Parameter,
    Unbindable,
    bind,
    parameters_of,
)

PLAIN = {"net": "net", "retain": "retain", "forget": "forget", "validation": "validation"}


def declared(signature: str) -> list[Parameter]:
    return parameters_of(eval(f"lambda {signature}: None"))  # noqa: S307 - the tests' own text


def given_to(signature: str) -> dict[str, str]:
    return bind(declared(signature)).given


BOUND = {
    "net, retain, forget, validation": PLAIN,
    "a, b, c, d": {"a": "net", "b": "retain", "c": "forget", "d": "validation"},
    "net, dr, df, dv, /": {"net": "net", "dr": "retain", "df": "forget", "dv": "validation"},
    "net, retain_loader, forget_loader, val_loader": {
        "net": "net", "retain_loader": "retain", "forget_loader": "forget", "val_loader": "validation"
    },
    "net, forget_loader, retain_loader, val_loader": {
        "net": "net", "forget_loader": "forget", "retain_loader": "retain", "val_loader": "validation"
    },
    "retainLoader, forgetDL, model": {"retainLoader": "retain", "forgetDL": "forget", "model": "net"},
    "net, retain, forget": {"net": "net", "retain": "retain", "forget": "forget"},
    "m, retain_dl, forget_dl": {"m": "net", "retain_dl": "retain", "forget_dl": "forget"},
    "net, retain, forget, val, DEVICE": {
        "net": "net", "retain": "retain", "forget": "forget", "val": "validation", "DEVICE": "device"
    },
    "net, retain, forget, DEVICE, val": {
        "net": "net", "retain": "retain", "forget": "forget", "DEVICE": "device", "val": "validation"
    },
    "net, retain_loader, forget_loader, LR=5e-4, repair_steps=4": {
        "net": "net", "retain_loader": "retain", "forget_loader": "forget"
    },
    "net, net_o, forget, retain": {"net": "net", "net_o": "original", "forget": "forget", "retain": "retain"},
    "student, teacher, retain, forget, val": {
        "student": "net", "teacher": "original", "retain": "retain", "forget": "forget", "val": "validation"
    },
    "original_model, retain_loader, forget_loader, val_loader": {
        "original_model": "net", "retain_loader": "retain", "forget_loader": "forget", "val_loader": "validation"
    },
    "net, train_loader, forget_loader, test_loader": {
        "net": "net", "train_loader": "retain", "forget_loader": "forget", "test_loader": "validation"
    },
    "net, train_loader, retain_loader, forget_loader": {
        "net": "net", "train_loader": "train", "retain_loader": "retain", "forget_loader": "forget"
    },
    "net, retain, forget, val_loader, test_loader=None": {
        "net": "net", "retain": "retain", "forget": "forget", "val_loader": "validation"
    },
    "net, retain, forget, val_loader=None": {
        "net": "net", "retain": "retain", "forget": "forget", "val_loader": "validation"
    },
    "net, retain, forget, loader=None": {
        "net": "net", "retain": "retain", "forget": "forget", "loader": "validation"
    },
    "net, retain, forget, val, forget_class=3, teacher=None, SEED=0, seed=0": PLAIN | {"seed": "seed"},
    "model_to_unlearn, remain_loader, unlearn_loader, valid_loader": {
        "model_to_unlearn": "net", "remain_loader": "retain", "unlearn_loader": "forget", "valid_loader": "validation"
    },
    "*, net, retain, forget": {"net": "net", "retain": "retain", "forget": "forget"},
}  # fmt: skip


@pytest.mark.parametrize(("signature", "wanted"), BOUND.items(), ids=BOUND.keys())
def test_bound(signature: str, wanted: dict[str, str]) -> None:
    found = given_to(signature)
    wanted = {"val" if name == "validation" and ", val," in signature else name: to for name, to in wanted.items()}
    assert found == wanted
    assert list(found) == [one.name for one in declared(signature) if one.name in found]


REFUSED = {
    "net, seed, device, datasets": "datasets",
    "net": "none of them is data",
    "net, val_loader": "none of them is data",
    "net, data": "data would",
    "net, a, b": "a would",
    "net, forget_loader, x, val_loader": "x would",
    "net, forget_loader, train_loader": "train_loader may be",
    "net, retain, forget, val_loader, test_loader": "no test set",
    "net, forget_train_loader, forget_test_loader, retain": "both",
    "net, retain, forget, validation, extra": "extra would",
    "net, retain, forget, epochs": "epochs would",
    "net, model, retain, forget": "both net and model",
    "retain, forget": "none of them is the network",
    "": "none of them is the network",
    "net, forget, *loaders": "before the star",
    "net, lr=1, *loaders": "before the star",
    "net, retain, forget, validation, *, mode": "mode would",
}  # fmt: skip


@pytest.mark.parametrize(("signature", "reason"), REFUSED.items(), ids=REFUSED.keys())
def test_what_names_do_not_decide_is_refused_with_the_signature_to_write(signature: str, reason: str) -> None:
    with pytest.raises(Unbindable, match=reason) as refusal:
        given_to(signature)
    assert str(refusal.value).endswith(SIGNATURE)


def test_whatever_takes_all_arguments_gets_them_in_order() -> None:
    assert bind(declared("*args")) == Binding({}, ("net", "retain", "forget", "validation"))
    assert bind(declared("net, *loaders, **others")) == Binding({"net": "net"}, ("retain", "forget", "validation"))


def test_a_note_says_what_is_bound_to_what() -> None:
    assert bind(declared("net, retain, forget, val, device")).is_plain
    swapped = bind(declared("net, forget_loader, retain_loader, LR=1"))
    assert not swapped.is_plain
    assert swapped.note() == (
        "unlearning: net is the network to change, forget_loader is the forget set, retain_loader is the retain set, "
        "LR keeps its default"
    )


NAMES = (
    *("net", "model", "net_o", "teacher", "retain", "retain_loader", "forget", "forget_loader", "train_loader", "val"),
    *("val_loader", "test_loader", "a", "b", "lr", "epochs", "device", "DEVICE", "seed", "SEED", "class_weights", "x"),
    *("loader", "forget_class"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=7, unique_by=lambda one: one[0]))
def test_a_loader_is_never_bound_to_a_name_that_says_another(parameters: list[tuple[str, bool]]) -> None:
    parameters = sorted(parameters, key=lambda one: one[1])  # those with a default come last
    try:
        binding = bind(Parameter(name, has_default) for name, has_default in parameters)
    except Unbindable:
        return
    assert len(set(binding.given.values())) == len(binding.given)
    assert set(binding.given.values()) <= set(MEANINGS)
    for name, has_default in parameters:
        assert has_default or name in binding.given
    for name, meaning in binding.given.items():
        for word in ("retain", "forget", "val"):
            assert word not in name.lower() or meaning.startswith(word)
        assert meaning in {"net", "original"} or not name.startswith(("net", "model", "teacher"))


def test_kinds_are_named_as_inspect_names_them() -> None:
    kinds = {one.kind for one in declared("a, /, b, *c, d, **e")}
    assert kinds == set(inspect._ParameterKind.__members__)
