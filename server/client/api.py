"""Participants' calls of the API, one method each, with typed answers."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
from httpx import codes
from pydantic import TypeAdapter, ValidationError

from lethe import __version__
from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.accounts.schemas import DeviceCreated, DeviceToken, Me, TokenCreated, UserCreated
from lethe.server.client.errors import ApiError, mismatch, refused, unreachable
from lethe.server.competitions.schemas import AnnouncementView, CompetitionFacts, CompetitionRow, TermsAccepted
from lethe.server.leaderboard.schemas import Leaderboard
from lethe.server.submissions.schemas import (
    ComparisonView,
    QuotaView,
    ReceiptView,
    SubmissionLog,
    SubmissionView,
    UploadAnswer,
)
from lethe.server.teams.schemas import InviteCreated, TeamView
from lethe.server.webhooks.schemas import DeliveryList, DeliveryView, WebhookCreated, WebhookView

POLL_S = 1.0
PATIENCE_S = 120.0
"""How long `follow` waits for a server that does not answer."""

BOARD_ROWS = 1_000
Answer = TypeVar("Answer")


class Client:
    """Calls `server` with an API token, if one is given. Every method raises ApiError; close it, or use `with`."""

    def __init__(self, server: str, token: str | None = None, *, origin: str = "the program") -> None:
        self.server = server.rstrip("/")
        self._origin = origin
        headers = {"User-Agent": f"lethe/{__version__}"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._http = httpx.Client(base_url=f"{self.server}/api/v1", headers=headers, timeout=30.0)
        except httpx.InvalidURL as error:
            raise ApiError(f"{server!r} from {origin} is not an address: {error}", code="unreachable") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Accounts

    def register(self, username: str, email: str, password: str, *, invite: str | None = None) -> UserCreated:
        """Create an account and return it with its first token."""
        body = {"username": username, "email": email, "password": password, "invite": invite}
        return self._call("POST", "/users", UserCreated, json=body)

    def create_token(self, username: str, password: str, *, name: str = "lethe") -> TokenCreated:
        """Create another token of an account, with its password."""
        return self._call("POST", "/tokens", TokenCreated, auth=(username, password), json={"name": name})

    def begin_device_login(self, name: str) -> DeviceCreated:
        """Ask for a token that somebody confirms in a browser."""
        return self._call("POST", "/device", DeviceCreated, json={"name": name})

    def wait_for_device_login(self, begun: DeviceCreated) -> DeviceToken:
        """Wait until somebody has confirmed, and return the token; raises ApiError when they refuse or it expires."""
        pause_s = begun.interval
        while True:
            time.sleep(pause_s)
            try:
                return self._call("POST", "/device/token", DeviceToken, json={"device_code": begun.device_code})
            except ApiError as error:
                if error.code == "slow_down":
                    pause_s += begun.interval
                elif error.code != "authorization_pending":
                    raise

    def delete_token(self, token_id: UUID) -> None:
        """Delete a token."""
        self._send("DELETE", f"/tokens/{token_id}")

    def me(self) -> Me:
        """Return the account of the token."""
        return self._call("GET", "/users/me", Me)

    def change_account(self, **changes: Any) -> Me:
        """Change `username`, `email` (both need `password`), `notices` or `daily_digest` of the account."""
        return self._call("PATCH", "/users/me", Me, json=changes)

    def personal_data(self) -> dict[str, Any]:
        """Return what the server stores about the account."""
        return self._call("GET", "/users/me/data", dict[str, Any])

    def delete_account(self, password: str) -> None:
        """Delete the account; nothing brings it back."""
        self._send("POST", "/users/me/delete", json={"password": password})

    # Competitions

    def competitions(self) -> list[CompetitionRow]:
        """Return every published competition, newest first."""
        return self._call("GET", "/competitions", list[CompetitionRow])

    def competition(self, slug: str) -> CompetitionFacts:
        """Return rules, limits, phase and counts of a competition."""
        return self._call("GET", _at("competitions", slug), CompetitionFacts)

    def accept_terms(self, slug: str, sha256: str) -> TermsAccepted:
        """Accept the terms with this digest, which `competition(slug).terms` has with the text."""
        return self._call("POST", _at("competitions", slug, "terms"), TermsAccepted, json={"sha256": sha256})

    def announcements(self, slug: str) -> list[AnnouncementView]:
        """Return the host's announcements, newest first."""
        return self._call("GET", _at("competitions", slug, "announcements"), list[AnnouncementView])

    def download_practice(
        self, slug: str, stream: BinaryIO, *, sha256: str = "", report: Callable[[int], None] = lambda _: None
    ) -> None:
        """Write a competition's practice bundle to `stream`, or what it lacks of the one with this `sha256`.

        `report` is called with the bytes that are in `stream`. Raises ApiError `bundle_changed` when the server has
        another bundle than that. An error leaves what has arrived, for the next call.
        """
        have = stream.seek(0, SEEK_END)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": f'"{sha256}"'}
        with self._streamed(_at("competitions", slug, "practice"), headers=headers) as response:
            if sha256 and response.headers.get("etag") != f'"{sha256}"':
                raise ApiError(
                    f"the practice bundle of {slug} has just changed on the server: run the same command again",
                    code="bundle_changed",
                )
            if have and response.status_code != codes.PARTIAL_CONTENT:
                have = stream.seek(0)
                stream.truncate()
            for piece in response.iter_bytes():
                stream.write(piece)
                have += len(piece)
                report(have)

    def leaderboard(self, slug: str, view: Evaluation = Evaluation.PUBLIC, *, offset: int = 0) -> Leaderboard:
        """Return up to 1,000 teams of a board from `offset` on; `next_offset` is the start of the next page."""
        query = {"view": view.value, "offset": offset, "limit": BOARD_ROWS}
        return self._call("GET", _at("competitions", slug, "leaderboard"), Leaderboard, params=query)

    def leaderboard_csv(self, slug: str, view: Evaluation = Evaluation.PUBLIC) -> str:
        """Return a whole board as CSV."""
        query = {"view": view.value, "format": "csv"}
        return self._send("GET", _at("competitions", slug, "leaderboard"), params=query).text

    # Submissions

    def submit(self, slug: str, file: Path, **description: str | None) -> UploadAnswer:
        """Upload `file`; bytes that were uploaded before return the earlier submission.

        `method` and `link` are for the board, where the host shows them, `note` is for the team.
        """
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ApiError(f"cannot read {file}: {error.strerror}", code="unreadable_file") from error
        said = {name: text for name, text in description.items() if text is not None}
        files = {"file": (file.name, data)}
        return self._call("POST", _at("competitions", slug, "submissions"), UploadAnswer, files=files, data=said)

    def submissions(self, slug: str) -> Iterator[SubmissionView]:
        """Yield my team's submissions, newest first."""
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({} if cursor is None else {"cursor": cursor})
            page = self._send("GET", _at("competitions", slug, "submissions"), params=query).json()
            yield from self._read(page["items"], list[SubmissionView])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def quota(self, slug: str) -> QuotaView:
        """Return what is left of my team's and my quota."""
        return self._call("GET", _at("competitions", slug, "quota"), QuotaView)

    def find_submission(self, text: str) -> UUID:
        """Return the id that `text` is, or of which it is the unambiguous beginning, 8 digits or more, among mine."""
        try:
            return UUID(text)
        except ValueError:
            if not re.fullmatch("[0-9a-fA-F]{8}[0-9a-fA-F-]{,28}", text):
                raise ApiError(f"{text!r} is no id: give its first 8 digits or more", code="invalid_request") from None
            found = self._call("GET", "/submissions", list[UUID], params={"prefix": text})
        if len(found) != 1:
            which = f"several of your submissions begin with {text}" if found else f"you have no submission {text}"
            raise ApiError(f"{which}; `lethe submissions SLUG` lists them", code="submission_not_found")
        return found[0]

    def compare(self, before: UUID, after: UUID) -> ComparisonView:
        """Return how the score of `after` differs from that of `before`, both of one team of mine."""
        return self._call("GET", f"/submissions/{before}/compare/{after}", ComparisonView)

    def submission(self, submission_id: UUID) -> SubmissionView:
        """Return state and result of a submission."""
        return self._call("GET", f"/submissions/{submission_id}", SubmissionView)

    def follow(self, submission_id: UUID, *, every_s: float = POLL_S) -> Iterator[SubmissionView]:
        """Yield the submission every `every_s` seconds until it has ended; tolerates outages of up to two minutes."""
        answered_at = time.monotonic()
        while True:
            try:
                view = self.submission(submission_id)
            except ApiError as error:
                is_outage = error.status is None or error.status in {429, 502, 503, 504}
                if not is_outage or time.monotonic() - answered_at > PATIENCE_S:
                    raise
            else:
                answered_at = time.monotonic()
                yield view
                if SubmissionState(view.state).is_terminal:
                    return
            time.sleep(every_s)

    def wait(self, submission_id: UUID, *, every_s: float = POLL_S) -> SubmissionView:
        """Wait for a submission to end, and return it."""
        *_, last = self.follow(submission_id, every_s=every_s)
        return last

    def log(self, submission_id: UUID) -> SubmissionLog:
        """Return the output of the check stage."""
        return self._call("GET", f"/submissions/{submission_id}/log", SubmissionLog)

    def source(self, submission_id: UUID) -> bytes:
        """Return the file as it runs."""
        return self._send("GET", f"/submissions/{submission_id}/source").content

    def receipt(self, submission_id: UUID) -> ReceiptView:
        """Return what the score depends on."""
        return self._call("GET", f"/submissions/{submission_id}/receipt", ReceiptView)

    def evidence(self, submission_id: UUID, file: Path, *, view: Evaluation = Evaluation.PUBLIC) -> Path:
        """Write the margins behind a score to `file`, as `lethe.read_pools` reads them, and return it.

        It appears only when it is complete, and replaces what was there. The server has it after the reveal, where the
        competition's `outputs_after_reveal` is true.
        """
        partial = file.with_name(f".{file.name}.part")
        try:
            with partial.open("wb") as stream:
                path = f"/submissions/{submission_id}/evidence"
                with self._streamed(path, params={"view": view.value}) as response:
                    stream.writelines(response.iter_bytes())
            partial.replace(file)
        except OSError as error:
            raise ApiError(f"cannot write {file}: {error.strerror}", code="unwritable_file") from error
        finally:
            with suppress(OSError):
                partial.unlink()
        return file

    def cancel(self, submission_id: UUID) -> SubmissionView:
        """Cancel a submission that is not yet scored; it still counts against the quota."""
        return self._call("POST", f"/submissions/{submission_id}/cancel", SubmissionView)

    def complete(self, submission_id: UUID) -> SubmissionView:
        """Let a submission of one's team that was stopped early run whole; once a day."""
        return self._call("POST", f"/submissions/{submission_id}/complete", SubmissionView)

    def select(self, submission_id: UUID, *, undo: bool = False) -> SubmissionView:
        """Select a submission for the final evaluation, or undo it."""
        return self._call("POST", f"/submissions/{submission_id}/{'unselect' if undo else 'select'}", SubmissionView)

    def describe(self, submission_id: UUID, **changes: str | None) -> SubmissionView:
        """Change `method`, `note` or `link` of a submission; what is left out stays, and an empty text deletes it."""
        return self._call("PATCH", f"/submissions/{submission_id}", SubmissionView, json=changes)

    def publish(self, submission_id: UUID, licence: str | None) -> SubmissionView:
        """Publish the source of a submission under a licence after the reveal; None: withdraw it."""
        path = f"/submissions/{submission_id}/publication"
        if licence is None:
            return self._call("DELETE", path, SubmissionView)
        return self._call("PUT", path, SubmissionView, json={"licence": licence})

    # Teams

    def team(self, slug: str) -> TeamView:
        """Return my team in a competition."""
        return self._call("GET", _at("competitions", slug, "team"), TeamView)

    def create_team(self, slug: str, name: str) -> TeamView:
        """Create a team with me in it."""
        return self._call("POST", _at("competitions", slug, "teams"), TeamView, json={"name": name})

    def invite(self, team_id: UUID) -> InviteCreated:
        """Create an invitation code with which one person can join."""
        return self._call("POST", f"/teams/{team_id}/invites", InviteCreated)

    def join(self, code: str) -> TeamView:
        """Join the team of an invitation code."""
        return self._call("POST", _at("invites", code, "accept"), TeamView)

    def leave(self, team_id: UUID) -> None:
        """Leave a team that has not submitted."""
        self._send("POST", f"/teams/{team_id}/leave")

    # Webhooks: of a team by its id, of the hosts of a competition by its slug

    def webhooks(self, owner: UUID | str) -> list[WebhookView]:
        """Return the webhooks of my team, or of a competition that I host."""
        return self._call("GET", _webhooks(owner), list[WebhookView])

    def add_webhook(self, owner: UUID | str, url: str, events: list[str]) -> WebhookCreated:
        """Have events sent to an address; the answer has the secret that signs them, this once."""
        return self._call("POST", _webhooks(owner), WebhookCreated, json={"url": url, "events": events})

    def delete_webhook(self, webhook_id: UUID) -> None:
        """Delete a webhook."""
        self._send("DELETE", f"/webhooks/{webhook_id}")

    def deliveries(self, webhook_id: UUID) -> list[DeliveryView]:
        """Return the 100 newest messages to a webhook, with their answers."""
        path = f"/webhooks/{webhook_id}/deliveries"
        return self._call("GET", path, DeliveryList, params={"limit": 100}).items

    def redeliver(self, webhook_id: UUID, delivery_id: UUID) -> DeliveryView:
        """Have a message sent again."""
        return self._call("POST", f"/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", DeliveryView)

    def server_version(self) -> str:
        """Return the version of Lethe that the server runs."""
        try:
            answer = self._http.get(f"{self.server}/openapi.json").raise_for_status()
            return str(answer.json()["info"]["version"])
        except httpx.TransportError as error:
            raise unreachable(self.server, error, origin=self._origin) from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ApiError(f"{self.server} is not a Lethe server", code="not_lethe") from error

    def _call(self, method: str, path: str, kind: type[Answer], **more: Any) -> Answer:
        response = self._send(method, path, **more)
        try:
            document = response.json()
        except ValueError as error:
            raise refused(response, self.server) from error
        return self._read(document, kind)

    def _read(self, document: Any, kind: type[Answer]) -> Answer:
        try:
            return TypeAdapter(kind).validate_python(document)
        except ValidationError as error:
            raise mismatch(self.server, self.server_version(), __version__) from error

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self.server, error, origin=self._origin) from error
        if not response.is_success:
            raise refused(response, self.server)
        return response

    @contextmanager
    def _streamed(self, path: str, **more: Any) -> Iterator[httpx.Response]:
        """Yield an answer whose body is read as it arrives."""
        try:
            with self._http.stream("GET", path, **more) as response:
                if not response.is_success:
                    response.read()
                    raise refused(response, self.server)
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self.server, error, origin=self._origin) from error


def _at(*parts: str) -> str:
    """Join quoted parts to a path, so that a part with a slash stays one part."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _webhooks(owner: UUID | str) -> str:
    return f"/teams/{owner}/webhooks" if isinstance(owner, UUID) else _at("competitions", owner, "webhooks")
