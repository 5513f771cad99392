"""The OpenAPI document: examples, errors as problem documents, and every status that a call can answer with."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from lethe.server.http.openapi_examples import EXAMPLES
from lethe.server.http.problem_document import MEDIA_TYPE

_METHODS = {"get", "post", "put", "patch", "delete"}
_DESCRIPTIONS = {
    "400": "The body cannot be read, or has an invalid value; `code` says which",
    "401": "Credentials are missing or wrong",
    "403": "Not allowed now, or not for this account",
    "404": "Does not exist, or is not yours",
    "409": "Conflicts with the stored state; `code` says how",
    "413": "The body is too large",
    "422": "A value is missing or invalid; `errors` or `code` says which",
    "429": "Too many requests, or a quota is used up; `Retry-After` says when to come back",
    "503": "The database or the artifact store does not answer; send the same request again",
    "507": "The artifact store is full",
}


class Problem(BaseModel):
    """An error (RFC 9457). Some carry further members, such as `line`, `limit`, `left` and `resets_at`."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["File refused"])
    status: int = Field(examples=[422])
    code: str = Field(description="Stable; listed in docs/api.md", examples=["syntax_error"])
    detail: str = Field(description="What is wrong and what to do", examples=["Python cannot parse the file. (Line 3)"])
    line: int | None = Field(default=None, description="Line of the submitted file")
    errors: list[dict[str, str]] | None = Field(default=None, description="Each invalid value: `where` and `message`")


def complete_document(app: FastAPI, root: str) -> None:
    """Make `app.openapi()` list examples and the problems of every call, instead of FastAPI's own error bodies.

    `root` is the path below which all calls are, `/lethe` or nothing.
    """
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            if root:
                document["servers"] = [{"url": root}]
            schemas = document["components"]["schemas"]
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            schemas["Problem"] = Problem.model_json_schema()
            for name, example in EXAMPLES.items():
                schemas[name]["examples"] = [example]
            for path, calls in document["paths"].items():
                for method, call in calls.items():
                    if method in _METHODS and path.startswith("/api/"):
                        _complete(path, method, call)
        assert app.openapi_schema is not None  # noqa: S101 - `original` has set it
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(path: str, method: str, call: dict[str, Any]) -> None:
    answers = call["responses"]
    for status in sorted(_possible(path, method, call) - set(answers)):
        answers[status] = {"description": _DESCRIPTIONS[status]}
    for status, answer in answers.items():
        if status.startswith(("4", "5")):
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            if answer.get("description") == "Validation Error":
                answer["description"] = _DESCRIPTIONS[status]


def _possible(path: str, method: str, call: dict[str, Any]) -> set[str]:
    """Return the error statuses that a call can answer with, judged by its path, parameters and security."""
    found = {"429", "503"}
    if "security" in call:
        found |= {"401", "403"}
    if "{" in path:
        found |= {"404", "422"}
    if call.get("parameters"):
        found.add("422")
    if "requestBody" in call:
        found |= {"400", "413", "422"}
    if method != "get":
        found |= {"403", "409", "422"}
    if path.endswith("/audit"):
        found.add("404")
    if path.endswith("/submissions") and method == "post":
        found.add("507")
    if path.endswith("/session"):
        found.add("401")
    return found
