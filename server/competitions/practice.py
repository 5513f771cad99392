"""The download of a competition's practice bundle, which is open to everybody."""

from fastapi import Request, Response
from limits import parse
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactMissing
from lethe.evaluator.contract.prepared_competition import PracticeFile
from lethe.server.competitions.service import get_competition, prepared_competition
from lethe.server.context import Context
from lethe.server.errors import NotFound
from lethe.server.http.artifact_download import ArtifactDownload
from lethe.server.http.client_address import client_address
from lethe.server.http.rate_limit import TooManyRequests


class PracticeMissing(NotFound):
    """The competition has no practice bundle, or its file is gone."""

    code = "practice_not_found"
    title = "No practice bundle"


def find_bundle(session: Session, slug: str) -> PracticeFile:
    """Return the competition's practice bundle; raises CompetitionNotFound, also for drafts, and PracticeMissing."""
    bundle = prepared_competition(get_competition(session, slug)).practice.bundle
    if bundle is None:
        raise PracticeMissing(
            f"{slug} is older than practice bundles, and its host has not made one: lethe admin oracles seed {slug} "
            "on the server does. Until then try files on a specification: lethe check FILE --spec demo"
        )
    return bundle


def answer_download(context: Context, slug: str, request: Request) -> Response:
    """Return the practice bundle, the range of it that is asked for, or 304.

    Raises as `find_bundle` does, RangeNotSatisfiable, and TooManyRequests for an address that has had too many.
    """
    with context.database.read() as session:
        bundle = find_bundle(session, slug)
    download = ArtifactDownload(bundle.artifact, bundle.size_bytes, f"{slug}-practice.safetensors")
    if (unchanged := download.unchanged(request)) is not None:
        return unchanged
    _count_request(context, request)
    try:
        return download.answer(request, context.artifacts)
    except ArtifactMissing as error:
        raise PracticeMissing(f"The practice bundle of {slug} is not in the artifact store; tell the host.") from error


def _count_request(context: Context, request: Request) -> None:
    rate = context.settings.rate_practice
    wait_s = context.rates.wait_s(parse(rate), "practice", client_address(request.scope)) if rate else None
    if wait_s is not None:
        raise TooManyRequests("This address has asked for too many practice bundles.", wait_s)
