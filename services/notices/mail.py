"""Notices by e-mail, over one SMTP server."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal, NamedTuple

from pydantic import SecretStr

from services.notices.failures import NotDelivered, Refused
from store.notices import Notice

WITHIN = 20.0
"""Seconds that every exchange with the server may take."""

Security = Literal["tls", "starttls", "none"]


class MailServer(NamedTuple):
    """How to reach the server: TLS from the first byte, or after STARTTLS, or none at all.

    Certificates are checked. Without a user nobody signs in.
    """

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    trusted: ssl.SSLContext | None = None


def message(
    notice: Notice, delivery_id: str, sender: str, recipients: Sequence[str]
) -> EmailMessage:
    """A notice as a mail. Sent again it is the same mail, by its Message-ID."""
    mail = EmailMessage()
    # a title is one line, whoever wrote it
    mail["Subject"] = " ".join(notice.title.split())
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(notice.served_at)
    mail["Message-ID"] = f"<{delivery_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(notice.body)
    return mail


async def send(server: MailServer, mail: EmailMessage, recipients: Sequence[str]) -> None:
    """Has the server take a mail. Raises NotDelivered."""
    await asyncio.to_thread(_send, server, mail, list(recipients))


def _send(server: MailServer, mail: EmailMessage, recipients: list[str]) -> None:
    try:
        with _connected(server) as connection:
            if server.user:
                connection.login(server.user, server.password.get_secret_value())
            connection.send_message(mail, server.sender, recipients)
    except smtplib.SMTPRecipientsRefused as failure:
        codes = sorted({code for code, _ in failure.recipients.values()})
        told = f"收件地址被拒收（SMTP {'、'.join(map(str, codes))}）"
        # a server that puts off a stranger takes it a little later
        raise (Refused if all(code >= 500 for code in codes) else NotDelivered)(told) from None
    except smtplib.SMTPResponseException as failure:
        raise NotDelivered(f"邮件服务器答复 SMTP {failure.smtp_code}") from None
    except smtplib.SMTPNotSupportedError:
        raise NotDelivered("邮件服务器不支持所要求的加密或登录方式") from None
    except ssl.SSLError:
        raise NotDelivered("与邮件服务器的加密连接未能建立") from None
    except TimeoutError:
        raise NotDelivered("邮件服务器没有按时答复") from None
    except (smtplib.SMTPException, OSError):
        raise NotDelivered("连不上邮件服务器") from None


def _connected(server: MailServer) -> smtplib.SMTP:
    context = server.trusted or ssl.create_default_context()
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=WITHIN, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=WITHIN)
    if server.security == "starttls":
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
    return connection
