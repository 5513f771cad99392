"""A sign-in at a real provider in Chromium: an account is linked, and gives a program on the command line a token."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from lethe.server.mail.sending import send_next
from lethe.server.models import User
from lethe.server.security.passwords import hash_password
from lethe.server.settings import Settings
from tests.browser.axe import assert_accessible
from tests.conftest import free_port
from tests.integration.server.test_mail import Inbox
from tests.sign_in_provider import running_provider, settings_of

LINK = re.compile(r"https://lethe\.example\.org(/reset/\S+)")
pytestmark = pytest.mark.component("chromium")


def test_a_person_links_a_sign_in_and_confirms_a_program(site: Any, chromium: Browser, tmp_path: Path) -> None:
    with site.context.database.write() as session:
        names = {"username": "rosa", "username_key": "rosa", "email": "r@example.org", "email_key": "r@example.org"}
        session.add(User(**names, password_hash=hash_password("correct horse")))
    with running_provider() as issuer, chromium.new_context() as context:
        changed = site.context.settings.model_dump() | {"sign_in": SecretStr(settings_of(issuer))}
        object.__setattr__(site.context, "settings", Settings.model_validate(changed))
        page = context.new_page()
        page.goto(f"{site.url}/login?next=/device")
        assert_accessible(page, "light")
        page.get_by_role("link", name="Sign in with The University").click()
        page.get_by_placeholder("sub").fill("rosa-at-university")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_role("heading", name="Signed in with The University")).to_be_visible()
        assert_accessible(page, "light")
        form = page.get_by_role("form", name="Or link it to the account that you have")
        form.get_by_label("User name").fill("rosa")
        form.get_by_label("Password").fill("correct horse")
        form.get_by_role("button", name="Link").click()
        page.wait_for_url(f"{site.url}/device")

        environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path), "LETHE_TOKEN": ""}
        command = [sys.executable, "-m", "lethe.server.cli", "login", "--browser", "--server", site.url, "--json"]
        program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert program.stderr is not None
        said = program.stderr.readline()
        code = re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", said)
        assert code is not None, said
        page.get_by_label("Code that the program shows").fill(code[0].lower())
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text(code[0])).to_be_visible()
        assert_accessible(page, "light")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("status")).to_contain_text("Confirmed.")
        answer, _ = program.communicate(timeout=60)
        assert json.loads(answer)["username"] == "rosa"
        page.goto(f"{site.url}/account")
        expect(page.get_by_role("rowheader", name=re.compile("^lethe on "))).to_be_visible()
        page.get_by_role("button", name="Unlink").click()
        expect(page.get_by_role("status")).to_contain_text("Unlinked.")


def test_a_lost_password_is_reset_by_mail_and_the_account_deleted(site: Any, chromium: Browser) -> None:
    inbox = Inbox()
    mails = Controller(inbox, hostname="127.0.0.1", port=free_port())
    mails.start()
    try:
        mailing = {
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{mails.port}?tls=none"),
            "mail_from": "lethe@example.org", "public_url": "https://lethe.example.org",
        }  # fmt: skip
        changed = Settings.model_validate(site.context.settings.model_dump() | mailing)
        object.__setattr__(site.context, "settings", changed)
        with site.context.database.write() as session:
            names = {"username": "iris", "username_key": "iris", "email": "i@example.org", "email_key": "i@example.org"}
            session.add(User(**names, password_hash=hash_password("forgotten soon")))
        with chromium.new_context() as context:
            page = context.new_page()
            page.goto(f"{site.url}/login")
            page.get_by_role("link", name="Forgotten your password?").click()
            page.get_by_label("User name or e-mail").fill("iris")
            page.get_by_role("button", name="Send a link").click()
            expect(page.get_by_role("status")).to_contain_text("works once")
            while send_next(site.context):
                pass
            (message,) = inbox.read()
            found = LINK.search(message.get_content())
            assert found is not None
            page.goto(site.url + found[1])
            page.get_by_role("textbox", name="New password").fill("a new password")
            page.get_by_role("button", name="Change password").click()
            page.get_by_label("User name").fill("iris")
            page.get_by_label("Password").fill("a new password")
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("Delete my account").first.click()
            deletion = page.locator("details form")
            deletion.get_by_label("Current password").fill("a new password")
            deletion.get_by_label("I am sure").check()
            deletion.get_by_role("button", name="Delete my account").click()
            expect(page.get_by_role("status")).to_have_text("Your account is deleted.")
    finally:
        mails.stop()
