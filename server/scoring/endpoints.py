"""REST: the outputs behind a score, for the team whose it is."""

import os
from collections.abc import Iterator
from typing import IO, Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from lethe.evaluator.contract.states import Evaluation
from lethe.server.context import AppContext, Context
from lethe.server.models import User
from lethe.server.scoring.evidence import EvidenceFiles, EvidenceInput, count_request, find_evidence
from lethe.server.security.credentials import CurrentUser
from lethe.server.submissions.short_ids import SubmissionId

router = APIRouter(tags=["submissions"])

MEDIA_TYPE = "application/zip"  # which an NPZ file is
PIECE_BYTES = 2**18


@router.get(
    "/submissions/{submission_id}/evidence",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_evidence(
    submission_id: SubmissionId,
    user: CurrentUser,
    context: AppContext,
    view: Annotated[Evaluation, Query(description="Of which evaluation")] = Evaluation.PUBLIC,
) -> StreamingResponse:
    """Margins and accuracies of my team's runs and of the oracles, as an NPZ file that `lethe score` reads.

    After the reveal, and only if the competition's `outputs_after_reveal` is true; 60 files an hour for each account.
    """
    order = await run_in_threadpool(_find, context, submission_id, user, view)
    file = await context.one(EvidenceFiles).make(order)
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{submission_id}-{view}.npz"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_pieces(file), media_type=MEDIA_TYPE, headers=headers)


def _find(context: Context, submission_id: UUID, user: User, view: Evaluation) -> EvidenceInput:
    with context.database.read() as session:
        found = find_evidence(session, submission_id, user, view)
    count_request(context, user)
    return found


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece
