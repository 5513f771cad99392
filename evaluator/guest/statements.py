"""What the top-level statements of a module bind, change and read: which kept names depend on those left out.

Everything errs on one side: a name that may depend on a statement counts as dependent on it.
"""

import ast
import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

# Builtins that change none of their arguments.
_PURE = frozenset(
    (
        *("print", "len", "str", "repr", "format", "isinstance", "issubclass", "range", "int", "float", "bool", "type"),
        *("hasattr", "callable", "id", "round", "abs"),
    )
)
# With these a statement can bind any name.
_UNTRACEABLE = frozenset({"exec", "eval", "globals", "locals", "vars"})
_SETTERS = frozenset({"setattr", "delattr"})
_LIBRARIES = ("torch.", "nn.", "F.", "np.", "numpy.", "torchvision.", "optim.", "random.")
_STATE_SETTERS = frozenset({"set_default_dtype", "set_default_tensor_type"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PLAIN_BINDERS = (*_DEFINITIONS, ast.Import, ast.ImportFrom)


@dataclass
class Effects:
    """Names at module level that a statement binds, may change in place, and reads.

    sets: those of the changed ones of which it sets an attribute or an item.
    patches: texts of what it sets on a module's attributes.
    is_untraceable: it may bind names that cannot be told.
    """

    binds: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    patches: set[str] = field(default_factory=set)
    is_untraceable: bool = False

    def add(self, other: "Effects") -> None:
        self.binds |= other.binds
        self.changes |= other.changes
        self.sets |= other.sets
        self.reads |= other.reads
        self.patches |= other.patches
        self.is_untraceable |= other.is_untraceable


def effects_of(statement: ast.stmt) -> Effects:
    """Return what executing the statement does, functions that it only defines left out."""
    found = Effects()
    _Walker(found, frozenset(), is_module_level=True).visit(statement)
    return found


def effects_of_body(statement: ast.stmt) -> Effects:
    """Return what calling the function or using the class does that this statement defines; nothing for others."""
    found = Effects()
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for node in ast.walk(statement):
            if isinstance(node, _FUNCTIONS):
                body = node.body if isinstance(node.body, list) else [node.body]
                walker = _Walker(found, _locals_of(node), is_module_level=False)
                for part in body:
                    walker.visit(part)
    return found


class Dependence:
    """Follows the statements of a module in their order: which names depend on those that were left out.

    `spoiled` are these names; `changed` those of them that a statement which was left out may change in place. A
    `problem` is a reason why they cannot be told.
    """

    def __init__(self, statements: Iterable[ast.stmt]) -> None:
        self._bodies: dict[str, Effects] = {}
        for statement in statements:
            body = effects_of_body(statement)
            name = getattr(statement, "name", None)
            if name is not None:
                self._bodies.setdefault(name, Effects()).add(body)
        self.spoiled: dict[str, ast.stmt] = {}
        self.changed: dict[str, ast.stmt] = {}
        self.problem: tuple[str, ast.stmt] | None = None

    def leave_out(self, statement: ast.stmt, values: Mapping[str, object]) -> None:
        """Note a statement that was left out; `values` are the module's names when that was."""
        effects = self._with_calls(effects_of(statement), values)
        if effects.is_untraceable:
            self.problem = self.problem or ("may bind any name", statement)
        if effects.patches:
            self.problem = self.problem or (f"sets {', '.join(sorted(effects.patches))} for everything", statement)
        for name in effects.binds:
            self.spoiled[name] = statement
        for name in _changeable(effects, values):
            self.spoiled[name] = self.changed[name] = statement

    def keep(self, statement: ast.stmt, values: Mapping[str, object]) -> None:
        """Note a statement that ran; `values` are the module's names afterwards."""
        if not self.spoiled:
            return
        effects = effects_of(statement)
        reached = self._with_calls(effects, values)
        source = next((self.spoiled[name] for name in sorted(reached.reads) if name in self.spoiled), None)
        if source is not None:
            for name in reached.binds | _changeable(reached, values):
                self.spoiled[name] = source
        elif _binds_anew(statement):
            for name in effects.binds:
                self.spoiled.pop(name, None)
                self.changed.pop(name, None)

    def _with_calls(self, effects: Effects, values: Mapping[str, object]) -> Effects:
        """Return the effects with those of all functions and methods that may run, as the statement mentions them."""
        total = Effects()
        total.add(effects)
        pending, seen = list(effects.reads), set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in values:
                pending.append(type(values[name]).__name__)
            if name in self._bodies:
                total.add(self._bodies[name])
                pending += self._bodies[name].reads
        return total


def _changeable(effects: Effects, values: Mapping[str, object]) -> set[str]:
    """Return the names whose values the effects may change in place."""

    def is_changeable(name: str) -> bool:
        value = values[name]
        if isinstance(value, type) and value.__module__ == values.get("__name__"):
            return True  # calls of its methods change what all its objects share
        is_set = name in effects.sets and hasattr(value, "__dict__") and not isinstance(value, types.ModuleType)
        return is_set or not is_constant(value)

    return {name for name in effects.changes if name in values and is_changeable(name)}


def is_constant(value: object) -> bool:
    """Whether nothing that is handed the value can change it in a way that matters to others."""
    if value is None or isinstance(value, str | bytes | int | float | complex | bool | range | frozenset | type):
        return True
    if isinstance(value, tuple):
        return all(is_constant(part) for part in value)
    kind = type(value)
    if callable(value) and kind.__name__ in {"function", "builtin_function_or_method", "method_descriptor"}:
        return True
    if isinstance(value, functools.partial):
        return is_constant(value.args)
    if kind.__name__ == "module":
        return True
    if (kind.__module__, kind.__name__) in {("torch", "device"), ("torch", "dtype"), ("torch", "Size")}:
        return True
    state = getattr(value, "state_dict", None)
    is_loss = kind.__module__.startswith("torch.nn.") and callable(state)
    return is_loss and not state()  # type: ignore[misc]  # callable, as the line above says


def _binds_anew(statement: ast.stmt) -> bool:
    """Whether the statement binds its names whatever they were before."""
    if isinstance(statement, ast.Assign):
        return all(isinstance(part, ast.Name | ast.Tuple | ast.List) for part in statement.targets)
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None and isinstance(statement.target, ast.Name)
    return isinstance(statement, _PLAIN_BINDERS)


def _locals_of(function: ast.AST) -> frozenset[str]:
    """Return the names that are local to a function: parameters and what it binds, those of `global` left out."""
    names: set[str] = set()
    outer: set[str] = set()
    args = function.args  # type: ignore[attr-defined]  # one of _FUNCTIONS
    for one in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if one is not None:
            names.add(one.arg)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.Global):
            outer.update(node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node is not function:
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return frozenset(names - outer)


class _Walker(ast.NodeVisitor):
    """Collects effects; names in `own` are local to the function that is walked."""

    def __init__(self, found: Effects, own: frozenset[str], *, is_module_level: bool) -> None:
        self._found = found
        self._own = own
        self._is_module_level = is_module_level

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._own:
            return
        if isinstance(node.ctx, ast.Load):
            self._found.reads.add(node.id)
            self._found.is_untraceable |= node.id in _UNTRACEABLE
        else:
            self._found.binds.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._place(node, node.ctx)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._place(node, node.ctx)

    def _place(self, node: ast.Attribute | ast.Subscript, context: ast.expr_context) -> None:
        if not isinstance(context, ast.Load):
            root = _root(node)
            if root is not None and root not in self._own:
                self._found.changes.add(root)
                self._found.sets.add(root)
                text = ast.unparse(node)
                is_library = text.startswith(_LIBRARIES) and not text.startswith("torch.backends.")
                if isinstance(node, ast.Attribute) and is_library:
                    self._found.patches.add(text)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        root = _root(node.target)
        if root is not None and root not in self._own:
            self._found.changes.add(root)
            self._found.reads.add(root)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr in _STATE_SETTERS:
                self._found.patches.add(ast.unparse(function))
            self._change_all(function.value)
        if not (isinstance(function, ast.Name) and function.id in _PURE):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._change_all(argument)
        if isinstance(function, ast.Name) and function.id in _SETTERS and node.args:
            self._found.sets.update(self._names_in(node.args[0]))
        self.generic_visit(node)

    def _change_all(self, node: ast.expr) -> None:
        """Every name in what is handed to a call may be changed by it."""
        self._found.changes.update(self._names_in(node))

    def _names_in(self, node: ast.AST) -> Iterator[str]:
        """Yield the names whose values a call may reach that gets the value of `node`.

        Not the name of a function that is called for it: whoever gets `f(x)` has no `f`.
        """
        if isinstance(node, ast.Name):
            if node.id not in self._own:
                yield node.id
            return
        for part in ast.iter_child_nodes(node):
            is_called = isinstance(node, ast.Call) and part is node.func and isinstance(part, ast.Name)
            if not is_called:
                yield from self._names_in(part)

    def _iterated(self, node: ast.expr) -> None:
        self._change_all(node)  # an iterator is used up

    def visit_For(self, node: ast.For) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        self._change_all(node.context_expr)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._change_all(node.value)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = (alias.asname or alias.name).split(".")[0]
            if name == "*":
                self._found.is_untraceable = True
            elif name not in self._own:
                self._found.binds.add(name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name and node.name not in self._own:
            self._found.binds.add(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name and node.name not in self._own:
            self._found.binds.add(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name and node.name not in self._own:
            self._found.binds.add(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest and node.rest not in self._own:
            self._found.binds.add(node.rest)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        pass  # its names count where they are bound

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """What happens when `def` is executed: decorators, defaults and annotations, not the body."""
        if node.name not in self._own:
            self._found.binds.add(node.name)
        body = [] if self._is_module_level else node.body  # the function around it may call it
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one is not None]
        self._visit_all([*node.decorator_list, *defaults, *body])

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if node.name not in self._own:
            self._found.binds.add(node.name)
        self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
        names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        names |= {
            one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        inner = _Walker(self._found, self._own | names, is_module_level=self._is_module_level)
        inner._visit_all(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        inner = _Walker(self._found, self._own | _locals_of(node), is_module_level=False)
        inner.visit(node.body)


def _root(node: ast.expr) -> str | None:
    """Return the name at the left end of attributes and subscripts, or None."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
