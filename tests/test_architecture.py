"""The walls: who may import whom, and what must stay out of a process."""

import ast
import builtins
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "evaluator", "sandbox", "attacks", "baselines", "migrations")
SERVER_MAY_IMPORT = tuple(
    f"evaluator.{room}" for room in ("contract", "artifacts", "metrics", "measures", "scoring", "settings_base")
)
# The command line is the composition root, and a host's commands train models; both import inside functions only.
COMPOSITION = (
    "server/cli/",
    "server/hosting/creation.py",
    "server/hosting/oracle_files.py",
    "server/hosting/oracles.py",
)

# Each entry imports only from entries above it, inside functions and under TYPE_CHECKING as well. A file or folder of
# `server/` that is not in the list fails the test.
ORDER = (
    "errors",
    "plain_text",
    "logs",
    "settings",
    "models",
    "database",
    "broker",
    "http",
    "context",
    "security",
    "audit_log",
    "mail",
    "webhooks",
    "accounts",
    "sign_in",
    "competitions",
    "leaderboard",
    "teams",
    "lifecycle",
    "queue",
    "submissions",
    "scoring",
    "plots",
    "hosting",
    "control",
    "monitoring",
    "pages",
    "client",
    "app",
    "cli",
)

# SQL is built in these rooms and in the query modules of each noun: `queries.py`, or `…_queries.py` for a part of it.
SQL_ROOMS = ("models", "database", "lifecycle")
# What every other module may import of SQLAlchemy: the session that it is handed, rows, errors and events.
NO_SQL = ("sqlalchemy.orm.Session", "sqlalchemy.Row", "sqlalchemy.event", "sqlalchemy.exc")
SQL_ELSEWHERE = {
    "server/audit_log/events.py",  # small enough to be the query module of its noun
}


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Full names of the modules that a file imports, `a.b` for `from a import b` as well; our own without `lethe.`."""
    for name in imported(path, top_level_only=top_level_only):
        yield name.removeprefix("lethe.")


def imported(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Full names of the modules that a file imports, as it writes them."""
    tree = parsed(path)
    nodes = top_level(tree) if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def top_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run at import, without those for type checkers."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ast.walk(node)


def python_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("folder", [*PACKAGES, "lethe", "tests", "benchmarks", "scripts"])
def test_everything_is_imported_from_lethe(folder: str) -> None:
    """`import server` would work in a checkout, as a second copy of every module."""
    for path in python_files(folder):
        assert not [name for name in imported(path) if within(name, PACKAGES)], path


def test_the_links_of_the_package_lead_to_the_folders() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "lethe").iterdir() if path.is_symlink()}
    assert links == {name: ROOT.resolve() / name for name in PACKAGES}


@pytest.mark.parametrize("path", python_files("server"), ids=lambda path: str(path.relative_to(ROOT)))
def test_server_imports_only_the_torch_free_parts_of_the_evaluator(path: Path) -> None:
    is_composition = str(path.relative_to(ROOT)).startswith(COMPOSITION)
    for name in imports(path, top_level_only=is_composition):
        if name.startswith("evaluator."):
            assert within(name, SERVER_MAY_IMPORT), f"{path} imports {name}"
        if not is_composition:
            assert not within(name, ("sandbox", "torch")), f"{path} imports {name}"


@pytest.mark.parametrize("path", python_files("migrations/versions"), ids=lambda path: path.stem)
def test_a_migration_uses_no_code_that_may_change_after_it(path: Path) -> None:
    assert not [name for name in imported(path) if within(name, ("lethe",))]


def room_of(name: str) -> str:
    """`submissions` for `lethe.server.submissions.uploads`."""
    return name.split(".")[1]


def test_every_room_of_the_server_is_in_the_order() -> None:
    rooms = {path.stem for path in (ROOT / "server").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__"} == set(ORDER)


@pytest.mark.parametrize("path", python_files("server"), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_of_the_server_import_only_from_earlier_ones(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[1] == "__init__":
        return
    allowed = set(ORDER[: ORDER.index(parts[1]) + 1])
    for name in imports(path):
        if within(name, ("server",)):
            assert room_of(name) in allowed, f"{path} imports {name}, which comes later in ORDER"


def test_sql_of_a_noun_stands_in_its_query_module() -> None:
    builders = set()
    for path in python_files("server"):
        parts = path.relative_to(ROOT).parts
        if parts[1] not in SQL_ROOMS and path.name != "queries.py" and not path.name.endswith("_queries.py"):
            names = [name for name in imports(path) if within(name, ("sqlalchemy",)) and not within(name, NO_SQL)]
            builders.update("/".join(parts) for _ in names)
    assert builders == SQL_ELSEWHERE


@pytest.mark.parametrize("path", python_files("server/pages"), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_leave_sql_to_queries(path: Path) -> None:
    assert {name for name in imports(path) if within(name, ("sqlalchemy",))} <= {"sqlalchemy.orm.Session"}


@pytest.mark.parametrize("package", ["server", "evaluator", "sandbox"])
def test_no_packages_import_each_other_in_a_circle(package: str) -> None:
    """A module at the top of the package counts as a package of its own."""
    graph: dict[str, set[str]] = {}
    for path in python_files(package):
        room = path.relative_to(ROOT).with_suffix("").parts[1]
        needs = {name.split(".")[1] for name in imports(path) if within(name, (package,)) and "." in name}
        graph.setdefault(room, set()).update(needs - {room})
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("path", python_files("evaluator"), ids=lambda path: str(path.relative_to(ROOT)))
def test_evaluator_knows_neither_server_nor_sql(path: Path) -> None:
    for name in imports(path):
        assert not within(name, ("server", "sqlalchemy", "alembic", "fastapi")), f"{path} imports {name}"


@pytest.mark.parametrize("package", ["contract", "artifacts", "metrics", "measures", "scoring"])
def test_shared_parts_of_the_evaluator_are_free_of_torch_celery_and_settings(package: str) -> None:
    for path in python_files(f"evaluator/{package}"):
        for name in imports(path):
            forbidden = ("torch", "torchvision", "celery", "pydantic_settings", "evaluator.settings")
            assert not within(name, forbidden), f"{path} imports {name}"
            if package == "metrics":
                assert not within(name, ("sklearn", "pydantic")), f"{path} imports {name}"


@pytest.mark.parametrize("path", python_files("evaluator"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_exception_of_the_evaluator_has_its_root(path: Path) -> None:
    """The command line shows these in one line, without naming each of them."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef) and node.name != "EvaluatorError":
            bases = {ast.unparse(base) for base in node.bases}
            if any(is_exception(base) for base in bases):
                assert "EvaluatorError" in bases, f"{node.name} in {path} needs EvaluatorError as a base"


def is_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)


@pytest.mark.parametrize("path", python_files("sandbox"), ids=lambda path: str(path.relative_to(ROOT)))
def test_sandbox_knows_the_standard_library_and_pyseccomp(path: Path) -> None:
    for name in imports(path):
        root = name.split(".")[0]
        assert root in sys.stdlib_module_names or root in {"sandbox", "pyseccomp", "seccomp"}, f"{path} imports {name}"


def test_guest_code_imports_only_what_lies_in_the_jail() -> None:
    parts = ("networks", "notebooks", "parameters", "submission")
    parts = ("data/loaders", *(f"contract/{part}" for part in parts), "errors")
    jail = (
        "evaluator.guest",
        "evaluator.models",
        "sandbox.guest",
        *(f"evaluator.{part.replace('/', '.')}" for part in parts),
    )
    paths = [*python_files("evaluator/guest"), *python_files("evaluator/models")]
    paths += [ROOT / f"evaluator/{part}.py" for part in parts]
    for path in paths:
        for name in imports(path):
            if within(name, ("server", "evaluator", "sandbox")):
                assert within(name, jail), f"{path} imports {name}"


@pytest.mark.parametrize("path", python_files("baselines"), ids=lambda path: path.name)
def test_baselines_stand_alone(path: Path) -> None:
    for name in imports(path):
        assert not within(name, PACKAGES), f"{path} imports {name}, but is uploaded as one file"


def test_attacks_stand_alone() -> None:
    for path in python_files("attacks/cases"):
        for name in imports(path):
            assert not within(name, PACKAGES), f"{path} imports {name}, but is sent as one file"


def test_attacks_know_of_the_server_only_the_static_check() -> None:
    for path in python_files("attacks"):
        for name in imports(path):
            if within(name, ("server",)):
                assert within(name, ("server.submissions.static_check",)), f"{path} imports {name}"


def test_nothing_knows_the_attacks_but_the_command_line() -> None:
    for package in ("server", "evaluator", "sandbox", "baselines"):
        for path in python_files(package):
            if not str(path.relative_to(ROOT)).startswith("server/cli/"):
                assert not any(within(name, ("attacks",)) for name in imports(path)), path


@pytest.mark.slow
@pytest.mark.parametrize("module", ["lethe.server.app", "lethe.server.control.process"])
def test_server_processes_start_without_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd="/").returncode == 0


@pytest.mark.slow
def test_the_web_process_stays_light() -> None:
    program = (
        "import sys, lethe.server.app; from lethe.evaluator.measures.registry import measures; assert measures();"
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'sklearn', 'scipy.stats')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd="/").returncode == 0


def test_worker_starts_without_sql() -> None:
    forbidden = ("sqlalchemy", "lethe.server", "fastapi")
    program = f"import sys, lethe.evaluator.worker.process; sys.exit(any(name in sys.modules for name in {forbidden}))"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd="/").returncode == 0


def test_the_command_line_starts_without_an_extra() -> None:
    extras = ("sqlalchemy", "fastapi", "alembic", "celery", "structlog", "jinja2", "argon2", "torch")
    program = f"import sys, lethe.server.cli; print(*(name for name in {extras} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "\n"


def test_only_settings_read_the_environment() -> None:
    """STYLE: `os.environ` in settings; elsewhere only to hand it on to a child process, and for NO_COLOR."""
    allowed = {
        "server/logs.py",
        *("server/cli/supervisor.py", "server/database/dump.py", "evaluator/child_environment.py"),
        "evaluator/settings_base.py",
    }
    for package in ("server", "evaluator"):
        for path in python_files(package):
            if str(path.relative_to(ROOT)) not in allowed:
                assert "os.environ" not in path.read_text(encoding="utf-8"), path


def test_the_architecture_page_names_the_rooms_in_their_order_and_files_that_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = page.split("| room |", 1)[1].split("\n\n", 1)[0]
    named = [name for row in rooms.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(ORDER)
    files = re.findall(r"`((?:server|evaluator|sandbox|attacks|migrations|docs|tests)/[\w/.]+)`", page)
    assert len(files) > 20
    for name in files:
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name
