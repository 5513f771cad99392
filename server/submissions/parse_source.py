"""Parses and checks one untrusted source; `parser_process` runs it in a child of its own, isolated.

Standard library only and no project import: the child limits itself first, because parsing alone can cost a hostile
file minutes and hundreds of megabytes.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterator

MOST_NAMED = 3
NOTEBOOK = "# Made by Lethe from the code cells of a notebook."
"""The first line of a file that `convert_notebook` made."""


def verdict(source: str, function: str) -> dict[str, object]:
    """Return `{"code": None}` and what `describe` says of a good source, else a code with message and line."""
    warnings.simplefilter("ignore")  # of the compiler, about the file's style
    try:
        tree = ast.parse(source)
        # Finds what only the compiler refuses, such as `return` outside of a function.
        compile(tree, "submission.py", "exec", flags=_flags(source), dont_inherit=True)
        found = describe(tree, function)
        if found["code"] is None:
            found |= {"form": form(tree), "shape": shape(tree)}  # the last one changes the tree
        return found  # noqa: TRY300 - what follows is for errors
    except SyntaxError as error:
        return {"code": "syntax_error", "message": error.msg, "line": error.lineno}
    except (RecursionError, MemoryError):
        return {"code": "too_complex"}
    except ValueError as error:  # null bytes
        return {"code": "syntax_error", "message": str(error)}


def form(tree: ast.Module) -> str | None:
    """Return a digest of the program without comments and layout; None if it nests too deeply to be compared."""
    try:
        return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()
    except (RecursionError, MemoryError):
        return None


def shape(tree: ast.Module) -> str | None:
    """Return the digest of a program without its names, its values, and statements that do nothing; None as `form`.

    Two sources of one shape differ in words and numbers only. Changes `tree`.
    """
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, name, "")
            elif isinstance(value, list):
                setattr(node, name, [one for one in value if not isinstance(one, str) and not _does_nothing(one)])
        if isinstance(node, ast.Constant):
            node.value = type(node.value).__name__
    return form(tree)


def _does_nothing(node: object) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _flags(source: str) -> int:
    """Return the compiler's flags: cells of a notebook may await at their top level."""
    return ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if source.startswith(NOTEBOOK) else 0


def describe(tree: ast.Module, function: str) -> dict[str, object]:
    """Return a fault of the last binding of `function` at module level, or `{"code": None}` with its declaration.

    `signature` lists `[name, has_default, kind]` of its parameters, as `inspect` names the kinds, and `line` is its
    line. None where only running the file tells them: it is bound in a block, by an assignment or an import.
    """
    bound = list(bindings(tree.body, function))
    if not bound:
        return {"code": "no_unlearning", "message": _what_is_there(tree, function)}
    last = bound[-1]
    if isinstance(last, ast.AsyncFunctionDef | ast.ClassDef):
        return {"code": "wrong_parameters", "line": last.lineno, "message": f"{function} must be a plain function"}
    if not isinstance(last, ast.FunctionDef) or last not in tree.body:
        return {"code": None, "signature": None}
    return {
        "code": None,
        "signature": signature(last.args),
        "line": last.lineno,
        "is_decorated": bool(last.decorator_list),
    }


def _what_is_there(tree: ast.Module, function: str) -> str | None:
    """Return what to write for a function of another name, or a method, that may be meant; None if there is none."""
    stem = function[: len("unlearn")]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            if function in methods:
                return f"line {node.lineno} has it as a method of {node.name}; it must be a function of the module"
    found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and stem in node.name.lower()]
    if not found:
        return None
    return f"it defines {' and '.join(found[:MOST_NAMED])}: add the line {function} = {found[-1]}"


def signature(args: ast.arguments) -> list[list[object]]:
    """Return `[name, has_default, kind]` of every parameter, in the order of `inspect.signature`."""
    positional = args.posonlyargs + args.args
    required = len(positional) - len(args.defaults)
    found: list[list[object]] = [
        [one.arg, place >= required, "POSITIONAL_ONLY" if place < len(args.posonlyargs) else "POSITIONAL_OR_KEYWORD"]
        for place, one in enumerate(positional)
    ]
    if args.vararg is not None:
        found.append([args.vararg.arg, False, "VAR_POSITIONAL"])
    found += [
        [one.arg, default is not None, "KEYWORD_ONLY"]
        for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    if args.kwarg is not None:
        found.append([args.kwarg.arg, False, "VAR_KEYWORD"])
    return found


def bindings(body: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Yield the statements of a module that bind `name` when it is imported, in order, blocks included."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name == name:
                yield node
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            if any((alias.asname or alias.name) in {name, "*"} for alias in node.names):
                yield node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(part, ast.Name) and part.id == name for target in targets for part in ast.walk(target)):
                yield node
        for block in ("body", "orelse", "handlers", "finalbody"):
            for child in getattr(node, block, []):
                yield from bindings(child.body if isinstance(child, ast.ExceptHandler) else [child], name)


def run(data: bytes, order: dict[str, object]) -> dict[str, object]:
    """Return the verdict on UTF-8 `data`, without its byte order mark; `order` names the function."""
    return verdict(data.decode("utf-8-sig"), str(order["function"]))
