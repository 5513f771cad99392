"""docs/api.md lists exactly the codes that the API can answer with, and names only calls that exist."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
DOCS = (ROOT / "docs/api.md").read_text(encoding="utf-8")
# In a process of its own: other tests import modules whose errors never reach the API.
PROGRAM = """
import json
from lethe.server.app import create_app
from lethe.server.errors import RequestError
from lethe.server.http.problem_handlers import BUILT_IN
from lethe.server.settings import Settings
import sys
def below(kind):
    for found in kind.__subclasses__():
        yield found
        yield from below(found)
bases = {"error", "conflict", "forbidden", "unauthenticated"}
codes = {found.code: found.status for found in below(RequestError) if found.code not in bases}
calls = create_app(Settings(home=sys.argv[1])).openapi()["paths"]
document = create_app(Settings(home=sys.argv[1])).openapi()
listed = [f"{m.upper()} {p}" for p in calls for m in calls[p]]
print(json.dumps({"codes": {**BUILT_IN, **codes}, "calls": listed, "document": document}))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(home)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_table_lists_every_code(api: dict[str, Any]) -> None:
    listed = {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCS, re.MULTILINE)}
    assert listed == api["codes"]


def test_handlers_answer_with_codes_of_the_registry(api: dict[str, Any]) -> None:
    for name in ("http/problem_handlers.py", "http/body_limit.py"):
        used = set(re.findall(r'code="(\w+)"', (ROOT / "server" / name).read_text(encoding="utf-8")))
        assert used <= set(api["codes"]), name


def test_named_calls_exist(api: dict[str, Any]) -> None:
    calls = {re.sub(r"\{\w+\}", "{}", call) for call in api["calls"]}
    named = set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`]+)`", DOCS))
    assert len(named) >= 10
    for call in named:
        method, path = re.sub(r"\{\w+\}", "{}", call).split(" ")
        assert f"{method} /api/v1{path}" in calls, call


def test_every_document_has_an_example_that_is_one(api: dict[str, Any]) -> None:
    document = api["document"]
    schemas, named = document["components"]["schemas"], set()
    for path, calls in document["paths"].items():
        for call in calls.values() if path.startswith("/api/") else ():
            answers = [answer for status, answer in call["responses"].items() if status.startswith("2")]
            for part in [call.get("requestBody", {}), *answers]:
                named |= set(re.findall(r"#/components/schemas/(\w+)", json.dumps(part.get("content", {}))))
    assert len(named) > 25
    for name in named:
        (example,) = schemas[name]["examples"]
        validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})
        assert not list(validator.iter_errors(example)), name
