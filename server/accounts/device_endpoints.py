"""REST: tokens for programs whose person confirms them in a browser, in the shape of RFC 8628."""

from typing import Any

from fastapi import APIRouter, Request

from lethe.server.accounts import device_logins
from lethe.server.accounts.schemas import DeviceCode, DeviceCreated, DeviceToken, NewDevice
from lethe.server.context import AppContext
from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.sub_path import public_url
from lethe.server.security.login import count_sign_in

router = APIRouter(tags=["accounts"])
WAITING: dict[int | str, dict[str, Any]] = {
    400: {"description": "`authorization_pending`, `slow_down`, `access_denied` or `expired_token`"}
}


@router.post("/device", status_code=201)
def begin_device_login(new: NewDevice, request: Request, context: AppContext) -> DeviceCreated:
    """Ask for a token that somebody confirms in a browser. Show `user_code` and the page, then ask for it."""
    count_sign_in(context, client_address(request.scope))
    with context.database.write() as session:
        device_code, user_code = device_logins.begin(session, new.name)
    page = f"{public_url(request)}/device"
    return DeviceCreated(
        device_code=device_code,
        user_code=user_code,
        verification_uri=page,
        verification_uri_complete=f"{page}?code={user_code}",
        expires_in=int(device_logins.KEPT.total_seconds()),
        interval=device_logins.INTERVAL_S,
    )


@router.post("/device/token", status_code=201, responses=WAITING)
def redeem_device_login(device: DeviceCode, context: AppContext) -> DeviceToken:
    """The token, once, after somebody has confirmed it. Until then `authorization_pending`."""
    with context.database.read() as session:  # so that strangers take no writer
        device_logins.require_known(session, device.device_code)
    with context.database.write() as session:
        found = device_logins.redeem(session, device.device_code)
    if isinstance(found, RequestError):
        raise found
    user, token, text = found
    return DeviceToken(username=user.username, id=token.id, name=token.name, token=text, expires_at=token.expires_at)
