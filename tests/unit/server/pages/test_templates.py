"""Every page template has one view, uses only fields that the view has, and leaves none of them unused."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from jinja2 import nodes

from lethe.server.pages.account.view import AccountPage, LinkPage, LoginForm, RegistrationForm, ResetForm
from lethe.server.pages.analysis.view import AnalysisPage
from lethe.server.pages.competition.view import CompetitionPage, HomePage
from lethe.server.pages.deletion.view import DeletionPage
from lethe.server.pages.device.view import DevicePage
from lethe.server.pages.errors.view import ErrorsPage
from lethe.server.pages.host.view import HostPage
from lethe.server.pages.hosted.view import DetailsPage, HostedPage
from lethe.server.pages.leaderboard.team_view import TeamRowPage
from lethe.server.pages.leaderboard.view import LeaderboardPage
from lethe.server.pages.rendering import PAGES, TEMPLATES, template_environment
from lethe.server.pages.sharing.embed import EmbedPage
from lethe.server.pages.sign_in.view import SignInPage
from lethe.server.pages.sources.view import SourcePage, SourcesPage
from lethe.server.pages.specification.view import EditPage
from lethe.server.pages.submission.view import SubmissionPage
from lethe.server.pages.submissions.compare import ComparePage
from lethe.server.pages.submissions.view import SubmissionsPage
from lethe.server.pages.team.view import JoinPage, TeamPage
from lethe.server.pages.upload.view import UploadPage
from lethe.server.pages.webhooks.view import WebhooksPage

VIEWS: dict[str, Any] = {
    "account/account.html": AccountPage,
    "account/link.html": LinkPage,
    "account/login.html": LoginForm,
    "account/register.html": RegistrationForm,
    "account/reset.html": ResetForm,
    "analysis/analysis.html": AnalysisPage,
    "device/device.html": DevicePage,
    "sign_in/sign_in.html": SignInPage,
    "webhooks/webhooks.html": WebhooksPage,
    "competition/competition.html": CompetitionPage,
    "competition/home.html": HomePage,
    "deletion/deletion.html": DeletionPage,
    "errors/errors.html": ErrorsPage,
    "host/host.html": HostPage,
    "hosted/details.html": DetailsPage,
    "hosted/hosted.html": HostedPage,
    "leaderboard/leaderboard.html": LeaderboardPage,
    "leaderboard/team.html": TeamRowPage,
    "sharing/embed.html": EmbedPage,
    "sources/source.html": SourcePage,
    "sources/sources.html": SourcesPage,
    "specification/edit.html": EditPage,
    "submission/submission.html": SubmissionPage,
    "submissions/compare.html": ComparePage,
    "submissions/submissions.html": SubmissionsPage,
    "team/join.html": JoinPage,
    "team/team.html": TeamPage,
    "upload/upload.html": UploadPage,
}
WITHOUT_VIEW = {"errors/away.html", "errors/problem.html"}  # nothing but words: they work while the rest does not


def test_every_template_has_a_view() -> None:
    found = {path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.html") if path.parent != TEMPLATES}
    assert found == VIEWS.keys() | WITHOUT_VIEW


@pytest.mark.parametrize("path", sorted(PAGES.rglob("*.html")), ids=lambda path: path.name)
def test_addresses_are_below_the_sites_own_path(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if path.name == "_parts.html":  # the one place where a team's link is one
        source = source.replace('<a href="{{ link.href }}" rel="nofollow noopener">', "")
    for attribute, address in re.findall(r"""\b(href|src|action|data-events)=["']([^"']*)""", source):
        assert address.startswith(("{{ root }}/", "{{ root }}{{ ", "{{ asset(", "#")), f"{attribute}={address}"


@pytest.mark.parametrize("name", VIEWS)
def test_a_template_uses_the_fields_of_its_view(name: str) -> None:
    used: set[str] = set()
    source = (PAGES / name).read_text(encoding="utf-8")
    walk(template_environment("").parse(source), {"view": VIEWS[name]}, used)
    assert {field.name for field in fields(VIEWS[name])} - used == set()


def walk(node: nodes.Node, types: dict[str, Any], used: set[str]) -> None:
    """Check every attribute below `node`; `types` has the types of names, `used` collects the fields of the view."""
    if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
        items = get_args(type_of(node.iter, types))
        types = types | {node.target.name: items[0] if items else None}
    if isinstance(node, nodes.Getattr):
        type_of(node, types)
        if isinstance(node.node, nodes.Name) and node.node.name == "view":
            used.add(node.attr)
    for child in node.iter_child_nodes():
        walk(child, types, used)


def type_of(node: nodes.Node, types: dict[str, Any]) -> Any:
    """Return the type of an expression, or None where it is not that of a view's field."""
    if isinstance(node, nodes.Name):
        return types.get(node.name)
    if not isinstance(node, nodes.Getattr) or not is_dataclass(owner := type_of(node.node, types)):
        return None
    hints = get_type_hints(owner)
    assert node.attr in hints, f"line {node.lineno}: {owner} has no field {node.attr}"
    options = get_args(hints[node.attr])
    return options[0] if NoneType in options else hints[node.attr]
