"""REST: what is stored about me, and deleting my account."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from lethe.server.accounts.schemas import PasswordProof
from lethe.server.context import AppContext
from lethe.server.hosting.personal_data import delete_own_account, personal_data
from lethe.server.http.client_address import client_address
from lethe.server.security.credentials import CurrentUser
from lethe.server.security.login import prove_person

router = APIRouter(tags=["accounts"])


@router.get("/users/me/data")
def get_my_data(user: CurrentUser, context: AppContext) -> dict[str, Any]:
    """What is stored about me, table by table, without digests of secrets."""
    with context.database.read() as session:
        return personal_data(session, user)


@router.post("/users/me/delete", status_code=204)
async def delete_me(proof: PasswordProof, request: Request, user: CurrentUser, context: AppContext) -> None:
    """Delete my account. Submissions and places on boards stay, under a name that says nothing."""
    await prove_person(context, user, proof.password, address=client_address(request.scope))
    await run_in_threadpool(delete_own_account, context, user)
