"""Parses and checks one untrusted source; `parser_process` runs it in a child of its own, isolated.

Standard library only and no project import: the child limits itself first, because parsing alone can cost a hostile
file minutes and hundreds of megabytes.
"""

import ast
from collections.abc import Iterator


def verdict(source: str, function: str, parameters: int, extra: list[str]) -> dict[str, object]:
    """Return `{"code": None}` for a good source, else a code with message and line."""
    try:
        tree = ast.parse(source)
        return check_function(tree, function, parameters, extra) or {"code": None}
    except SyntaxError as error:
        return {"code": "syntax_error", "message": error.msg, "line": error.lineno}
    except (RecursionError, MemoryError):
        return {"code": "too_complex"}
    except ValueError as error:  # null bytes
        return {"code": "syntax_error", "message": str(error)}


def check_function(tree: ast.Module, function: str, parameters: int, extra: list[str]) -> dict[str, object] | None:
    """Return what is wrong with the last binding of `function` at module level, or None."""
    bound = list(bindings(tree.body, function))
    if not bound:
        return {"code": "no_unlearning"}
    last = bound[-1]
    if isinstance(last, ast.AsyncFunctionDef | ast.ClassDef):
        return {"code": "wrong_parameters", "line": last.lineno, "message": f"{function} must be a plain function"}
    return check_parameters(last, parameters, extra) if isinstance(last, ast.FunctionDef) else None


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


def check_parameters(node: ast.FunctionDef, parameters: int, extra: list[str]) -> dict[str, object] | None:
    """Return what is wrong unless `parameters` positional arguments bind and others have defaults or are in `extra`."""
    positional = [argument.arg for argument in node.args.posonlyargs + node.args.args]
    required = positional[: len(positional) - len(node.args.defaults)]
    too_few = len(positional) < parameters and node.args.vararg is None
    unknown = [name for name in required[parameters:] if name not in extra]
    unknown += [
        argument.arg
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is None and argument.arg not in extra
    ]
    if not too_few and not unknown:
        return None
    message = f"it takes ({', '.join(positional)})" + (f"; {', '.join(unknown)} would stay unbound" if unknown else "")
    return {"code": "wrong_parameters", "line": node.lineno, "message": message}


def run(data: bytes, order: dict[str, object]) -> dict[str, object]:
    """Return the verdict on UTF-8 `data`, without its byte order mark; `order` names function, parameters and extra."""
    extra, parameters = order["extra"], order["parameters"]
    assert isinstance(extra, list)  # noqa: S101 - the parent of this process says so
    assert isinstance(parameters, int)  # noqa: S101
    return verdict(data.decode("utf-8-sig"), str(order["function"]), parameters, extra)
