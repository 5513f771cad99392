"""Routes of the page on which a person confirms a program that asks for a token."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from lethe.server.accounts import device_logins
from lethe.server.context import AppContext
from lethe.server.errors import RequestError
from lethe.server.pages.device.view import DevicePage
from lethe.server.pages.forms import notice, redirect, redirect_to_login, with_retry_after
from lethe.server.pages.rendering import render_page
from lethe.server.security.login import count_code
from lethe.server.security.sessions import FormVisitor, OptionalVisitor

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]


@router.get("/device")
def device_form(request: Request, context: AppContext, visitor: OptionalVisitor, code: str = "") -> Response:
    """Ask for a program's code, or show which program waits with it."""
    if visitor is None:
        return redirect_to_login(request)
    view = DevicePage(notice=notice(request))
    if code:
        try:
            count_code(context, visitor.user)
            with context.database.write() as session:
                found = device_logins.waiting(session, code)
                view = DevicePage(code=found.user_code, name=found.name)
        except RequestError as error:
            page = DevicePage(code=code[:20], problem=str(error))
            answer = render_page(request, "device/device.html", page, visitor, status=error.status)
            return with_retry_after(answer, error)
    return render_page(request, "device/device.html", view, visitor, cacheable=False)


@router.post("/device")
def answer_device(
    request: Request, context: AppContext, visitor: FormVisitor, code: Text = "", reply: Text = ""
) -> Response:
    """Let the program act as the visitor, or refuse it."""
    is_confirmed = reply == "confirm"
    try:
        count_code(context, visitor.user)
        with context.database.write() as session:
            device_logins.answer(session, code, visitor.user, is_confirmed=is_confirmed)
    except RequestError as error:
        page = DevicePage(problem=str(error))
        return render_page(request, "device/device.html", page, visitor, status=error.status)
    return redirect("/device", "device" if is_confirmed else "device-refused")
