"""Deciding what of a file runs: what fails and is not needed goes, and nothing ever runs with another meaning."""

import ast
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lethe.evaluator.contract.notebooks import FIRST_LINE
from lethe.evaluator.exact_source import Cut, leave_out
from lethe.evaluator.guest import definition
from lethe.evaluator.guest.definition import LeftOutIsNeeded

F = "\ndef f(): return {}\n"
FAIL = "raise OSError('there is no network')\n"


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("submission", "IPython")):
            del sys.modules[name]


def decide(source: str, statement_s: float = 30.0) -> list[tuple[int, int]]:
    cuts = definition.decide(source.encode(), "submission.py", "f", statement_s=statement_s)
    return [(cut["first"], cut["last"]) for cut in cuts]


def exact(source: str) -> str:
    """The exact source, decided until nothing more is left out."""
    for _ in range(5):
        cuts = [Cut(first, last, "") for first, last in decide(source)]
        if not cuts:
            return source
        source = leave_out(source, cuts)
    raise AssertionError("there is always more to leave out")


WHOLE = {
    "plain": F.format(1),
    "used data": "x = [1]\nx.append(2)" + F.format("x"),
    "handled": "try:\n    import nowhere_at_all\nexcept ImportError:\n    nowhere_at_all = None"
    + F.format("nowhere_at_all"),
    "await in a notebook": f"{FIRST_LINE}\nimport asyncio\nx = await asyncio.sleep(0, 3)" + F.format("x"),
    "future": "from __future__ import annotations\nx: nothing = 1" + F.format("x"),
    "two definitions": "def f(a): pass\n" + F.format(2),
    "in a block": "if True:\n    def f(): return 1\n",
    "made by exec": "exec('def f(): return 1')\n",
    "globals": "globals()['f'] = lambda: 1\n",
    "walrus, with, for": "import io\nwith io.StringIO() as s: (n := 3)\nfor i in range(2): pass" + F.format("n + i"),
    "star": "from math import *" + F.format("pi"),
    "local decorator": "class D:\n    def __call__(self, g): return g\n@D()" + F.format(1),
}


@pytest.mark.parametrize("source", WHOLE.values(), ids=WHOLE.keys())
def test_a_file_that_runs_whole_is_left_as_it_is(source: str) -> None:
    assert decide(source) == []


LEFT_OUT = {
    "guard": ("D = 'cpu'\nif D != 'cuda':\n    " + FAIL + F.format("D"), [(2, 3)]),
    "driver before": ("d = open('/nowhere').read()\n\nprint(d)" + F.format(1), [(1, 1), (3, 3)]),
    "driver after": (F.format(1) + "f(\n  nothing)\n", [(3, 4)]),
    "exit": ("import sys\nsys.exit(1)" + F.format(1), [(2, 2)]),
    "unused import": ("import nowhere_at_all" + F.format(1), [(1, 1)]),
    "one line": ("a = 1; b = nothing; c = 2" + F.format(1), [(1, 1)]),
    "long string": ("x = nothing('''\ntext\n''')" + F.format(1), [(1, 3)]),
    "decorated": ("@nothing\ndef g(): pass" + F.format(1), [(1, 2)]),
    "too long": ("while True: pass" + F.format(1), [(1, 1)]),
    "sleeps": ("import time\ntime.sleep(60)" + F.format(1), [(2, 2)]),
    "reads a needed constant": ("D = 'cpu'\nnothing(D)" + F.format("D"), [(2, 2)]),
    "prints a needed list": ("d = [1]\nprint(d, nothing)" + F.format("d"), [(2, 2)]),
    "bound anew afterwards": ("x = nothing\nx = 2" + F.format("x"), [(1, 1)]),
    "hands on a needed constant": ("D = 'cpu'\nm = []\nm.append(nothing)\nm.append(D)" + F.format("D"), [(3, 3)]),
    "hands on the function": (F.format(1) + "m = []\nm.append(nothing)\nm.append(f)", [(4, 4)]),
    "hands on a library": ("import math\nm = []\nm.append(nothing)\nm.append(math)" + F.format("math.pi"), [(3, 3)]),
    "makes an object of a class": ("class C: n = 1\nC().use(nothing)" + F.format("C.n"), [(2, 2)]),
    "calls a function with constants": ("D = 1\ndef g(x): return x + D\ng(nothing)" + F.format("g(D)"), [(3, 3)]),
}  # fmt: skip


@pytest.mark.parametrize(("source", "lines"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_cannot_run_and_is_not_needed_is_left_out(source: str, lines: list[tuple[int, int]]) -> None:
    assert decide(source, statement_s=0.3) == lines


NEEDED = {
    "missing": ("x = nothing" + F.format("x"), "needs `x` from line 1"),
    "of the starting kit": ("net_o = nothing" + F.format("net_o"), "use the argument: def unlearning"),
    "another value": ("lr = 1\nlr = nothing" + F.format("lr"), "needs `lr` from line 2"),
    "import": ("import nowhere_at_all" + F.format("nowhere_at_all.x"), "needs `nowhere_at_all` from line 1"),
    "through a function": ("x = nothing\ndef g(): return x" + F.format("g()"), "needs `x`"),
    "through a class": ("x = nothing\nclass C:\n    def g(self): return x\nc = C()" + F.format("c.g()"), "from line 1"),
    "through a value": ("x = 1\nx += nothing\ny = x" + F.format("y"), "needs `y` from line 2"),
    "changed in place": ("c = {}\nc['lr'] = nothing" + F.format("c['lr']"), "needs `c`"),
    "method": ("c = []\nc.append(nothing)" + F.format("c"), "needs `c`"),
    "argument": ("c = []\nprint(*map(c.extend, nothing))" + F.format("c"), "needs `c`"),
    "setattr": ("class A: pass\na = A()\nsetattr(a, 'x', nothing)" + F.format("a.x"), "needs `a`"),
    "setattr of a class": ("class A: pass\nsetattr(A, 'x', nothing)" + F.format("A.x"), "needs `A`"),
    "attribute of a class": ("class A: x = 1\nA.x = nothing" + F.format("A.x"), "needs `A`"),
    "method of a class": ("class A:\n    x = []\nA.x.append(nothing)" + F.format("A.x"), "needs `A`"),
    "attribute of a function": ("def g(): pass\ng.x = 1\ng.x = nothing" + F.format("g.x"), "needs `g`"),
    "class set to what was changed": (
        "c = []\nc.append(nothing)\nclass A: x = 1\nA.x = c" + F.format("A.x"), "needs `A` from line 2"
    ),
    "alias": ("c = {}\nd = c\nd.update(nothing)" + F.format("c"), "`d` is, which is changed at"),
    "half of a loop": ("n = 0\nfor i in range(3):\n    n += 1\n    if i == 1: " + FAIL + F.format("n"), "needs `n`"),
    "in a called function": ("n = 0\ndef g():\n    global n\n    n += 1; nothing\ng()" + F.format("n"), "needs `n`"),
    "in a method": (
        "c = []\nclass T:\n    def go(self): c.append(1); nothing\nt = T()\nt.go()" + F.format("c"), "needs `c`"
    ),
    "star": ("from nowhere_at_all import *" + F.format("x"), "may bind any name"),
    "exec": ("exec('x = 1; nothing')" + F.format("x"), "may bind any name"),
    "globals": ("globals()['x'] = nothing" + F.format("x"), "may bind any name"),
    "patch": ("import torch\nif 1:\n    torch.nn.Linear.f = 1\n    nothing" + F.format(1), "for everything"),
    "dtype": ("import torch\nif 1: torch.set_default_dtype(torch.float32); nothing" + F.format(1), "for everything"),
    "the function": ("def g(): pass\nf = nothing(g)\n", "comes from line 2"),
    "its decorator": ("@nothing" + F.format(1), "comes from line 1"),
    "with": ("import io\ns = io.StringIO()\nwith s as t: nothing" + F.format("s.read()"), "needs `s`"),
    "iterator": ("i = iter([1, 2])\nfor x in i: nothing" + F.format("next(i)"), "needs `i`"),
    "walrus": ("n = 1\nprint((n := 2), nothing)" + F.format("n"), "needs `n`"),
    "deep alias": ("c = {'a': []}\nd = c['a']\nd.append(nothing)" + F.format("c"), "is changed at"),
    "cell": (f"{FIRST_LINE}\n\n# Cell 4\nx = 1\ny = nothing" + F.format("y"), "from cell 4, line 2"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "reason"), NEEDED.values(), ids=NEEDED.keys())
def test_what_the_function_needs_is_never_left_out(source: str, reason: str) -> None:
    with pytest.raises(LeftOutIsNeeded, match=reason.replace("(", r"\(")):
        decide(source)


def test_five_thousand_cells() -> None:
    source = "".join(f"x{i} = {i}\nprint(nothing, x{i})\n" for i in range(5_000)) + F.format("x7")
    assert len(decide(source)) == 5_000


STATEMENTS = (
    *("a = 1", "b = a + 1", "a += 1", "a = nothing", "b = [a]", "b.append(a)", "nothing(b)", "c = b", "del a"),
    *("a = b = 0", "def g(): return a", "c = g()", "for a in (3, nothing): pass", "print(a, nothing)", "c = {}"),
    *("c['x'] = a", "b = c", "c['y'] = nothing", "if c: b = nothing", "b = 5; c = nothing", "(a := nothing)"),
    *("(b := 7)", "setattr(g, 'x', a)", "def h(): b.append(3)", "h(); nothing", "h()", "c = [b]", "print(a, b, c)"),
    *("def h(): global a; a = nothing", "class K: x = [1]", "K.x = a", "K.x = nothing", "K.x.append(nothing)"),
    *("b.append(K)", "nothing(K, a)", "g.y = nothing", "nothing([K.x])", "K.x = c", "c = K.x", "nothing(K())"),
)
RICH = """
class N(int):
    def __call__(self, *args):
        for one in args:
            if isinstance(one, list):
                one.append(9)
        return self
nothing = N(8)
"""


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), max_size=12), st.sampled_from(["a", "b", "c", "g()", "1", "K.x", "g.y"]))
def test_the_exact_source_runs_whole_and_nothing_needed_is_left_out(lines: list[str], wanted: str) -> None:
    """On a machine where nothing fails, `nothing` being a callable, the exact source gives what the file gives."""
    source = "\n".join(lines) + F.format(f"repr({wanted})")
    try:
        found = exact(source)
    except LeftOutIsNeeded:
        return
    kept = ast.dump(ast.parse(found))
    assert found == source or kept != ast.dump(ast.parse(source))
    try:
        wanted_outcome = outcome(RICH + source)
    except Exception:  # noqa: BLE001 - a file that runs nowhere
        return
    assert outcome(found) == wanted_outcome


def outcome(source: str) -> object:
    """What the function of the source returns, or the type of what it raises."""
    namespace: dict[str, object] = {}
    exec(source, namespace)  # noqa: S102 - the tests' own text
    try:
        return namespace["f"]()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)
