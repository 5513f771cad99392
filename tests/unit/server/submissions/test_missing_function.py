"""A file without `unlearning` is told which of its functions may be meant."""

import pytest

from lethe.server.submissions.static_check import RefusedFile, check_source

TOLD = {
    "other names": (
        "def unlearning_blur(net): pass\ndef unlearning_fine_tune(net): pass\n",
        "it defines unlearning_blur and unlearning_fine_tune: add the line unlearning = unlearning_fine_tune",
    ),
    "unlearn": ("def unlearn(net): pass\n", "it defines unlearn: add the line unlearning = unlearn"),
    "a method": (
        "class Method:\n    def unlearning(self, net): pass\n",
        "line 1 has it as a method of Method; it must be a function of the module",
    ),
    "nothing like it": ("x = 1\n", "The file defines no function called unlearning. Define "),
}


@pytest.mark.parametrize(("source", "text"), TOLD.values(), ids=TOLD.keys())
def test_what_may_be_meant_is_named(source: str, text: str) -> None:
    with pytest.raises(RefusedFile) as refusal:
        check_source(source.encode(), limit_bytes=10_000)
    assert refusal.value.code == "no_unlearning"
    assert text in str(refusal.value)
