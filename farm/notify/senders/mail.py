"""A notice by mail."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from farm.errors import UndeliveredError

from ..notice import Notice
from ..rules import Rule, Smtp

SECONDS = 20.0


def send(rule: Rule, notice: Notice, smtp: Smtp) -> None:
    """Hand it to the server."""
    message = EmailMessage()
    message["From"], message["To"] = smtp.sender, ", ".join(rule.mail)
    message["Subject"] = notice.title
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=smtp.sender.rpartition("@")[2])
    lines = [notice.message, "", f"at {notice.at}"]
    if notice.job:
        lines += [f"job {notice.job}, {notice.owner}'s", f"farm show {notice.job[:8]}"]
    message.set_content("\n".join(lines))
    try:
        with _connect(smtp) as server:
            if smtp.user:
                server.login(smtp.user, smtp.password.get_secret_value())
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise UndeliveredError(f"mail by {smtp.host}:{smtp.port}: {type(error).__name__}: {error}") from error


def _connect(smtp: Smtp) -> smtplib.SMTP:
    if smtp.tls == "tls":
        return smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=SECONDS, context=ssl.create_default_context())
    server = smtplib.SMTP(smtp.host, smtp.port, timeout=SECONDS)
    if smtp.tls == "starttls":
        server.starttls(context=ssl.create_default_context())
    return server
