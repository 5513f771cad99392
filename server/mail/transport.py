"""The way of a mail to the mail server: SMTP, encrypted and verified."""

import smtplib
import ssl
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr

from lethe.server.errors import PlatformError
from lethe.server.mail.texts import Letter
from lethe.server.models.times import utc_now
from lethe.server.settings import MailServer

TIMEOUT_S = 10.0
PERMANENT = 500
CLOSING = 421
"""The server ends the connection, whatever was asked of it (RFC 5321, 4.2.1)."""


class MailRefused(PlatformError):
    """The mail server will never take this mail, such as for an address that it does not know."""


class MailPostponed(PlatformError):
    """The mail server does not take this mail now, such as one that it greylists."""


class MailServerAway(MailPostponed):
    """The mail server takes no mail now, whichever it is."""


def as_message(letter: Letter, sender: str) -> EmailMessage:
    """Return `letter` as a mail from `sender`; raises MailRefused for an address that no mail can have."""
    name, own = parseaddr(sender)
    message = EmailMessage()
    try:
        message["From"] = Address(name, addr_spec=own)
        message["To"] = Address(addr_spec=letter.to)
    except (ValueError, IndexError, AttributeError, MessageError) as error:  # the parser raises all of them
        raise MailRefused(f"no mail can be sent to this address: {error}") from error
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = make_msgid(domain=own.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(letter.text, cte="quoted-printable")
    return message


def deliver(server: MailServer, message: EmailMessage) -> None:
    """Give `message` to the mail server; raises MailRefused, MailPostponed and MailServerAway."""
    try:
        smtp = _connect(server)
        try:
            smtp.send_message(message)
        finally:
            with suppress(smtplib.SMTPException):  # what is taken stays taken, whatever the goodbye
                smtp.quit()
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(str(error)) from error
    except smtplib.SMTPRecipientsRefused as error:
        code = max(code for code, _ in error.recipients.values())
        raise _refusal(code)(f"the recipient was refused: {code}") from error
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code)(str(error)) from error
    except (OSError, smtplib.SMTPException) as error:
        raise MailServerAway(f"{server.host}:{server.port}: {error}") from error


def _refusal(code: int) -> type[MailRefused] | type[MailPostponed]:
    """Return what the answer to one mail means."""
    if code == CLOSING:
        return MailServerAway
    return MailRefused if code >= PERMANENT else MailPostponed


def _connect(server: MailServer) -> smtplib.SMTP:
    verified = ssl.create_default_context()
    if server.tls == "implicit":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=verified)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.tls == "starttls":
            smtp.starttls(context=verified)
        if server.username:
            smtp.login(server.username, server.password)
    except (OSError, smtplib.SMTPException) as error:
        smtp.close()
        raise MailServerAway(f"{server.host}:{server.port} does not encrypt, or refuses the login: {error}") from error
    return smtp
