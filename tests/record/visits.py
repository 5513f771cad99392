"""What everybody asks the site of the home for: pages, calls, things that are refused, and the same in other phases.

Each file of the record has requests, and below each the answers, with the viewers who got the same one together.
"""

import difflib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count, groupby
from pathlib import Path
from typing import Any

from lethe.server.leaderboard.response_cache import KEPT_S
from tests.record.home import (
    OPEN_INVITATION,
    PASSWORD,
    REGISTRATION,
    SUBMISSIONS,
    TEAMS,
    TOKEN,
    USED_INVITATION,
    WORKER_KEY,
    database,
)
from tests.record.site import STRANGER, VIEWERS, Sessions, Site, open_site

HERE = "/competitions/mini"
NOBODYS = "00000000-0000-4000-8000-000000000000"
NAMES = {**SUBMISSIONS, **TEAMS, "here": HERE, "nobodys": NOBODYS, "invitation": OPEN_INVITATION, "host": "/host/mini"}

PAGES = {
    "home": ("/", "/competitions", "/nothing", "/errors", "/docs"),
    "competition": ("{here}", "/competitions/nowhere", "{here}/contact-sheet.webp", "{here}/starter.py"),
    "starter-notebook": ("{here}/starter.ipynb",),
    "leaderboard": (
        "{here}/leaderboard", "{here}/leaderboard?view=public", "{here}/leaderboard?view=final&sort=-team",
        "{here}/leaderboard?view=public&q=BOB", "{here}/leaderboard?view=public&page=2", "{here}/leaderboard?sort=size",
    ),
    "analysis": (
        "{here}/analysis", "{here}/analysis?view=final", "{here}/analysis?a={reset}&b={noise}",
        "{here}/analysis?a={finetune}&b={copied}", "{here}/analysis/public.svg", "{here}/analysis/final.svg",
    ),
    "people": ("/login", "/login?next=/join", "/login?next=//elsewhere.example", "/register", "/register?invite=CODE"),
    "account": ("/account", "/account?done=registered"),
    "team": ("{here}/team", "{here}/team?done=joined", "/join?code={invitation}"),
    "submit": ("{here}/submit",),
    "submissions": (
        "{here}/submissions", "{here}/submissions?full={reset}", "{here}/submissions/compare",
        "{here}/submissions/compare?a={finetune}&b={reset}", "{here}/submissions/compare?a={finetune}&b={noise}",
    ),
    "host": ("{host}", "{host}?state=failed", "{host}?q=ANN", "{host}?state=scored&q=.PY", "/host/nowhere"),
    "host-table": ("{host}/submissions.csv",),
    "submission-scored": ("/submissions/{finetune}",),
    "submission-final": ("/submissions/{final}",),
    "submission-notebook": ("/submissions/{notebook}",),
    "submission-rerun": ("/submissions/{noise}",),
    "submission-failed-check": ("/submissions/{loud}", "/submissions/{loud}?done=unselected"),
    "submission-failed-run": ("/submissions/{hidden}",),
    "submission-cancelled": ("/submissions/{slow}", "/submissions/{stopped}"),
    "submission-disqualified": ("/submissions/{copied}", "/submissions/{noop}"),
    "submission-packaged": ("/submissions/{packaged}",),
    "submission-baseline": ("/submissions/{ascent}",),
    "submission-none": ("/submissions/{nobodys}", "/submissions/mine"),
    "plots": (
        *(f"/submissions/{{finetune}}/plots/{plot}.svg" for plot in ("epsilon", "margins", "times", "accuracies")),
        "/submissions/{final}/plots/epsilon.svg", "/submissions/{loud}/plots/epsilon.svg",
        "/submissions/{finetune}/plots/size.svg",
    ),
}  # fmt: skip
CALLS = {
    "competitions": (
        "/competitions", "{here}", "/competitions/nowhere", "{here}/announcements", "{here}/leaderboard",
        "{here}/leaderboard?view=final", "{here}/leaderboard?view=size", "{here}/leaderboard?format=csv",
        "{here}/leaderboard?view=final&format=csv",
    ),
    "people": ("/users/me", "/session", "/tokens", "/tokens?limit=1"),
    "teams": ("{here}/team", "/teams/{ann_and_bob}", "/teams/{nobodys}", "{here}/quota"),
    "submissions": ("{here}/submissions", "{here}/submissions?limit=1", "{here}/submissions?cursor=none"),
    "submission": tuple(f"/submissions/{{{name}}}" for name in ("nobodys", *SUBMISSIONS)),
    "submission-parts": (
        *(
            f"/submissions/{{{name}}}/{part}"
            for name in ("finetune", "notebook", "loud", "hidden", "slow", "packaged")
            for part in ("log", "receipt", "source")
        ),
        "/submissions/{finetune}/events", "/submissions/{finetune}/evidence",
        "/submissions/{finetune}/compare/{reset}", "/submissions?prefix=12345678",
    ),
    "audit": ("{here}/audit", "{here}/audit?limit=2", "/audit"),
}  # fmt: skip
OPERATORS = {
    "operator": ("{host}", "{here}/analysis?view=final", "/submissions/{loud}", "{here}/submit", "/account"),
    "operator-calls": ("/api/v1/audit", "/api/v1/audit?limit=1", "/api/v1/users/me", "/api/v1/submissions/{loud}"),
}

# Who asks, how, for what, and with what; the home stays as it is.
GOOD = "def unlearning(net, retain, forget, validation):\n    return net\n"
FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *(("hal", f"/host/mini/{act}", {}) for act in ("pause", "resume", "close", "reveal", "finals")),
    ("hal", "/host/mini/reveal", {"data": {"sure": "yes"}}),
    ("hal", "/host/mini/extend", {"data": {"until": "2999-01-01T00:00"}}),
    ("hal", "/host/mini/extend", {"data": {"until": "tomorrow"}}),
    ("hal", "/host/mini/announce", {"data": {"title": " "}}),
    ("hal", "/host/mini/submissions/{finetune}/disqualify", {"data": {"reason": " "}}),
    ("hal", "/host/mini/submissions/{finetune}/cancel", {}),
    ("hal", "/host/mini/submissions/{finetune}/praise", {}),
    ("hal", "/host/mini/submissions/{nobodys}/rerun", {}),
    ("ann", "/host/mini/pause", {}),
    ("ann", "{here}/submit", {"data": {"source": GOOD}}),
    ("ann", "{here}/submit", {"data": {"source": GOOD, "check": "yes"}}),
    ("ann", "{here}/submit", {"data": {"source": GOOD[:-5] + ")\n", "check": "yes"}}),
    ("ann", "{here}/submit", {"files": {"file": ("mine.py", b"")}, "data": {"check": "yes"}}),
    ("ann", "/submissions/{finetune}/unselect", {}),
    ("ann", "/submissions/{reset}/select", {}),
    ("ann", "/submissions/{noise}/select", {}),
    ("ann", "/submissions/{finetune}/cancel", {}),
    ("ann", "{here}/team", {"data": {"name": "CEM"}}),
    ("ann", "{here}/team", {"data": {"name": " "}}),
    ("ann", "{here}/team/leave", {}),
    ("ann", f"{{here}}/team/invites/{NOBODYS}/delete", {}),
    ("hal", "{here}/team/invite", {}),
    ("cem", "/join", {"data": {"code": OPEN_INVITATION}}),
    ("cem", "/join", {"data": {"code": USED_INVITATION}}),
    ("ann", "/account/tokens", {"data": {"name": "", "days": "1000"}}),
    ("ann", "/account/tokens/{nobodys}/delete", {}),
    ("ann", "/account/password", {"data": {"password": "wrong", "new_password": "short"}}),
    ("ann", "/logout", {"data": {"csrf_token": "of another site"}}),
    (STRANGER, "/logout", {}),
    (STRANGER, "/submissions/{finetune}/cancel", {}),
    (STRANGER, "/login", {"data": {"username": "ann", "password": "wrong", "next": "/account"}}),
    (STRANGER, "/login", {"data": {"username": "ivy", "password": PASSWORD}}),
    (STRANGER, "/login", {"data": {"username": "ann"}, "headers": {"Origin": "https://elsewhere.example"}}),
    (STRANGER, "/register", {"data": {"username": "ANN", "email": "new@example.org", "password": PASSWORD}}),
    (STRANGER, "/register", {"data": {"username": "a", "email": "nowhere", "password": "short"}}),
    (STRANGER, "/", {}),
)  # fmt: skip
PAGES_WITH_FORMS = ("/host/mini", "{here}/team", "{here}/submit", "/account")
REQUESTS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    *((who, "POST", "{here}/pause", {}) for who in (STRANGER, "ann", "hal", "ops")),
    ("hal", "POST", "{here}/resume", {}),
    ("hal", "POST", "{here}/close", {}),
    ("hal", "POST", "{here}/reveal", {"json": {}}),
    ("hal", "POST", "{here}/extend", {"json": {"until": "2999-01-01T00:00:00Z"}}),
    ("hal", "POST", "{here}/extend", {"json": {"until": "2999-01-01T00:00:00"}}),
    ("hal", "POST", "{here}/announcements", {"json": {"title": ""}}),
    ("ann", "POST", "{here}/announcements", {"json": {"title": "Ours", "body": ""}}),
    ("ann", "PUT", "/teams/{cem}/disqualification", {"json": {"reason": "better than we"}}),
    ("hal", "PUT", "/submissions/{finetune}/disqualification", {"json": {"reason": ""}}),
    (STRANGER, "POST", "{here}/submissions", {"files": {"file": ("mine.py", GOOD)}}),
    ("ann", "POST", "{here}/submissions", {"files": {"file": ("mine.py", GOOD)}}),
    ("ann", "POST", "{here}/submissions", {"json": {"file": GOOD}}),
    ("cem", "POST", "/submissions/{finetune}/cancel", {}),
    ("ann", "POST", "/submissions/{finetune}/cancel", {}),
    ("ann", "POST", "/submissions/{reset}/select", {}),
    ("ann", "POST", "/submissions/{finetune}/unselect", {}),
    ("ann", "PATCH", "/teams/{ann_and_bob}", {"json": {"name": "cem"}}),
    ("cem", "PATCH", "/teams/{ann_and_bob}", {"json": {"name": "Mine"}}),
    ("ann", "POST", "/teams/{ann_and_bob}/leave", {}),
    ("ann", "POST", "{here}/teams", {"json": {"name": "Another"}}),
    ("hal", "POST", "{here}/teams", {"json": {"name": "cem"}}),
    ("cem", "POST", f"/invites/{USED_INVITATION}/accept", {}),
    ("cem", "POST", f"/invites/{OPEN_INVITATION}/accept", {}),
    ("ann", "POST", "/tokens", {"json": {"name": "", "expires_in_days": 0}}),
    ("ann", "DELETE", "/tokens/{nobodys}", {}),
    ("ann", "POST", "/users/me/password", {"json": {"password": PASSWORD, "new_password": "short"}}),
    (STRANGER, "POST", "/users", {"json": {"username": "ann", "email": "n@example.org", "password": PASSWORD}}),
    (STRANGER, "POST", "/users", {"json": {"username": "a", "email": "n", "password": "short"}}),
    (STRANGER, "POST", "/users", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    (STRANGER, "DELETE", "/competitions", {}),
    (STRANGER, "GET", "/nothing", {}),
    (STRANGER, "GET", "/users/me", {"headers": {"Authorization": "Bearer lethe_nobodys"}}),
    (STRANGER, "GET", "/users/me", {"headers": {"Authorization": f"Bearer {TOKEN}"}}),
)  # fmt: skip

_NEVER = "'2999-01-01 00:00:00.000000'"
_NOT_ENDED = f"revealed_at = NULL, finals_started_at = NULL, closed_at = NULL, public_ends_at = {_NEVER}"
PHASES = {
    "draft": f"opened_at = NULL, {_NOT_ENDED}",
    "practice": f"public_starts_at = {_NEVER}, public_ends_at = '2999-02-01 00:00:00.000000', "
    "revealed_at = NULL, finals_started_at = NULL, closed_at = NULL",
    "open": f"{_NOT_ENDED}, specification = json_set(specification, '$.quotas.submissions_per_day', 3, "
    "'$.quotas.attempts_per_day', 20, '$.quotas.in_flight', 1, '$.leaks.step_s', 60)",
    "paused": f"{_NOT_ENDED}, paused_at = '2026-11-02 00:00:00.000000'",
    "closed": "revealed_at = NULL, finals_started_at = NULL",
    "final": "revealed_at = NULL",
}
"""How the row of the finished competition differs from what it was, or would have been, in the phase."""
IN_PHASES: dict[str, tuple[str, ...]] = {
    "/": (STRANGER,),
    "{here}": (STRANGER,),
    "{here}/leaderboard": (STRANGER, "ann"),
    "{here}/leaderboard?view=final": (STRANGER, "hal"),
    "{here}/submit": ("ann",),
    "{here}/team": ("ann",),
    "{here}/analysis": (STRANGER, "ann", "hal"),
    "{host}": ("hal",),
    "/submissions/{finetune}": ("ann", "cem", "hal"),
    "/submissions/{hidden}": ("cem", "hal"),
    "/submissions/{slow}": ("cem",),
    "/submissions/{final}": ("ann", "hal"),
    "/api/v1/competitions": (STRANGER,),
    "/api/v1{here}": (STRANGER, "hal"),
    "/api/v1{here}/leaderboard?view=public": (STRANGER,),
    "/api/v1{here}/leaderboard?view=final": (STRANGER, "hal"),
    "/api/v1{here}/quota": ("ann",),
    "/api/v1/submissions/{finetune}": ("ann", "hal"),
    "/api/v1/submissions/{finetune}/receipt": ("ann",),
    "/api/v1/submissions/{hidden}": ("cem", "hal"),
    "/api/v1/submissions/{slow}": ("cem",),
}
"""What shows something else in other phases, and to whom."""
_RUNNING = (
    "UPDATE submissions SET state = 'running', owner = NULL, fault_code = NULL, finished_at = NULL, runs_shown = 8 "
    "WHERE filename = 'slow.py'"
)
"""In the open phase cem's cancelled submission has half of its runs."""


def pages(home: Path, sessions: Sessions) -> dict[str, str]:
    """Every page that browsers can ask for, as each viewer sees it; and the header fields of all answers."""
    with open_site(home, sessions) as site:
        found = _asked(site, {f"pages/{name}.txt": paths for name, paths in PAGES.items()}, VIEWERS)
        found |= _asked(site, {f"pages/{name}.txt": paths for name, paths in OPERATORS.items()}, ("ops",))
        frames = _grouped({who: site.ask(who, "GET", "/").frame for who in VIEWERS})
        problem = site.ask("ann", "GET", "/nothing").frame
        frame = _text([*frames, f"===== of problems, for which no session is read\n{problem}"])
        return found | {"pages/frame.txt": frame, "pages/headers.txt": _headers(site)}


def calls(home: Path, sessions: Sessions) -> dict[str, str]:
    """Every call that reads, as each viewer is answered."""
    with open_site(home, sessions) as site:
        paths = {f"calls/{name}.txt": tuple(f"/api/v1{path}" for path in some) for name, some in CALLS.items()}
        return _asked(site, paths, VIEWERS)


def refusals(home: Path, sessions: Sessions) -> dict[str, str]:
    """What forms and calls say that cannot have what they ask for; and what known secrets still open."""
    with open_site(home, sessions) as site:
        usual: dict[tuple[str, str], str] = {}
        forms = [_form(site, who, path, sent, usual) for who, path, sent in FORMS]
        requests = [_request(site, who, how, f"/api/v1{path}", sent) for who, how, path, sent in REQUESTS]
        work = [_request(site, STRANGER, "POST", f"/internal/v1/work/{act}", sent) for act, sent in _work()]
    return {"refused/forms.txt": _text(forms), "refused/calls.txt": _text(requests), "refused/work.txt": _text(work)}


def registration(home: Path) -> dict[str, str]:
    """Registering where that is for the invited, and where it is for nobody."""
    new = {"username": "new", "email": "new@example.org", "password": PASSWORD}
    sections = []
    for setting, codes in (("invite-only", ("lethej_nobodys", REGISTRATION)), ("closed", ("lethej_nobodys",))):
        with open_site(home, registration=setting) as site:
            sections += [f"##### {setting}", site.ask(STRANGER, "GET", "/").frame]
            sections += [_request(site, STRANGER, "GET", "/register", {})]
            sections += [
                _request(site, STRANGER, "POST", "/register", {"data": {**new, "invite": one}}) for one in codes
            ]
    return {"refused/registration.txt": _text(sections)}


def phases(home: Path, sessions: Sessions) -> dict[str, str]:
    """What pages and calls say in each phase before that they do not say of the revealed competition."""
    found = {}
    with open_site(home, sessions) as site:
        revealed = _in_phase(site)
        for name, changes in PHASES.items():
            with _changed(home, changes):
                answers = _in_phase(site)
            sections = []
            for path, texts in answers.items():
                different = {who: _difference(revealed[path][who], text) for who, text in texts.items()}
                sections += [f"##### GET {path}", *_grouped(different)]
            found[f"phases/{name}.txt"] = _text(sections)
    return found


def _in_phase(site: Site) -> dict[str, dict[str, str]]:
    """What everybody is answered, by path and viewer."""
    time.sleep(KEPT_S + 0.2)  # boards are kept that long
    return {
        path: {who: site.ask(who, "GET", _filled(path)).text for who in viewers} for path, viewers in IN_PHASES.items()
    }


_VERSIONS = count(1)
"""What each phase adds to the version of the board, so that no answer of another one is taken for current."""


@contextmanager
def _changed(home: Path, changes: str) -> Iterator[None]:
    """The competition with other values; the version of its board rises, as it does with whatever a board shows."""
    with database(home) as connection:
        before = connection.execute("SELECT * FROM competitions").fetchone()
        live = connection.execute("SELECT * FROM submissions WHERE filename = 'slow.py'").fetchone()
        connection.execute(f"UPDATE competitions SET {changes}, board_version = board_version + {next(_VERSIONS)}")  # noqa: S608
        if "step_s" in changes:
            connection.execute(_RUNNING)
    yield
    with database(home) as connection:
        for table, row in (("competitions", before), ("submissions", live)):
            places = ", ".join(f"{column} = ?" for column in row.keys())  # noqa: SIM118 - a sqlite3.Row iterates values
            connection.execute(f"UPDATE {table} SET {places} WHERE id = ?", (*row, row["id"]))  # noqa: S608


def _work() -> Iterable[tuple[str, dict[str, Any]]]:
    """A worker with an unknown key, and one with the key of the home, for which there is nothing to do."""
    capabilities = {
        "slots": 1, "sandbox_mode": "bubblewrap-zygote+seccomp", "memory_bytes": 2**34, "gpu": None,
        "torch": "2.9.0", "python": "3.11.2",
    }  # fmt: skip
    for key in ("lethew_nobodys", WORKER_KEY):
        headers = {"Authorization": f"Bearer {key}"}
        for act in ("register", "claim", "leave"):
            more = {"capabilities": capabilities} if act == "register" else {}
            yield act, {"json": {"worker": "other", **more}, "headers": headers}


def _asked(site: Site, wanted: dict[str, tuple[str, ...]], viewers: tuple[str, ...]) -> dict[str, str]:
    problem = site.ask(STRANGER, "GET", "/nothing").frame
    frames = {who: {"", problem, site.ask(who, "GET", "/").frame} for who in viewers}
    found = {}
    for name, paths in wanted.items():
        sections = []
        for path in paths:
            answers = {who: site.ask(who, "GET", _filled(path)) for who in viewers}
            shown = {
                who: answer.text if answer.frame in frames[who] else f"{answer.text}\n----- frame\n{answer.frame}"
                for who, answer in answers.items()
            }
            sections += [f"##### GET {path}", *_grouped(shown)]
        found[name] = _text(sections)
    return found


def _grouped(texts: dict[str, str]) -> Iterator[str]:
    """The texts, each once, under everybody who got it."""
    for text in dict.fromkeys(texts.values()):
        yield f"===== {', '.join(who for who, found in texts.items() if found == text)}\n{text}"


def _request(site: Site, who: str, method: str, path: str, sent: dict[str, Any]) -> str:
    told = {name: value for name, value in sent.items() if name != "headers"}
    shown = json.dumps(told, ensure_ascii=False, default=lambda data: data.decode()) if told else ""
    answer = site.ask(who, method, _filled(path), **sent)
    return f"##### {who}: {method} {path} {shown}".rstrip() + f"\n{answer.text}"


def _form(site: Site, who: str, path: str, sent: dict[str, Any], usual: dict[tuple[str, str], str]) -> str:
    """As `_request`; of a page that says why it refused, only what the page without a refusal does not say. Those that
    were needed are kept in `usual`.
    """
    head, _, text = _request(site, who, "POST", path, {"data": {}} | sent).partition("\n")
    key = next(((who, page) for page in PAGES_WITH_FORMS if path.startswith(page) and who != STRANGER), None)
    if key is None:
        return f"{head}\n{text}"
    if key not in usual:
        usual[key] = site.ask(who, "GET", _filled(key[1])).text
    return f"{head}\n{_difference(usual[key], text)}"


def _filled(path: str) -> str:
    return path.format(**NAMES)


def _difference(usual: str, now: str) -> str:
    """The lines of `now` that are not in `usual`, and how many it lacks there."""
    lines = [line for line in difflib.ndiff(usual.splitlines(), now.splitlines()) if line[0] in "+-"]
    found = []
    for sign, some in groupby(lines, key=lambda line: line[0]):
        few = list(some)
        found += few if sign == "+" else [f"- {len(few)} line{'s' if len(few) > 1 else ''}"]
    return "\n".join(found) or "the same"


def _headers(site: Site) -> str:
    """Header fields, with the requests that are answered with them."""
    found: dict[str, list[str]] = {}
    for asked, headers in site.headers:
        found.setdefault(headers, []).append(asked)
    return _text("\n".join([headers, *(f"    {one}" for one in asked)]) for headers, asked in found.items())


def _text(sections: Iterable[str]) -> str:
    return "\n".join(section.rstrip() + "\n" for section in sections).rstrip()
