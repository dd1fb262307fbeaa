"""Mail to a real server on this machine, which speaks just enough SMTP."""

import socket
import threading

import pytest

from farm.errors import UndeliveredError
from farm.notify.notice import Happening, Notice
from farm.notify.rules import Rule, Smtp
from farm.notify.senders.mail import send

RULE = Rule(name="mail", on=(Happening.JOB_FAILED,), mail=("ann@example.org", "ben@example.org"))
NOTICE = Notice("k", Happening.JOB_FAILED, "2026-01-01T00:00:00Z", "the disk was full", "3f2a77c0", "Wellen äöü", "ann")


def serve(listener: socket.socket, lines: list[str]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as wire:

        def say(text: str) -> None:
            wire.write(text.encode() + b"\r\n")
            wire.flush()

        say("220 test")
        data = False
        for raw in wire:
            line = raw.decode().rstrip("\r\n")
            lines.append(line)
            if data:
                if line == ".":
                    data = False
                    say("250 kept")
            elif line.upper() == "DATA":
                data = True
                say("354 go on")
            elif line.upper() == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


def test_a_mail_says_what_happened_to_all_of_them() -> None:
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, lines))
        thread.start()
        smtp = Smtp(host="127.0.0.1", port=listener.getsockname()[1], sender="farm@example.org", tls="none")
        send(RULE, NOTICE, smtp)
        thread.join(10)
    assert sum(line.upper().startswith("RCPT TO:") for line in lines) == 2
    text = "\n".join(lines)
    assert "the disk was full" in text and "farm show 3f2a77c0" in text and "=?utf-8?" in text


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UndeliveredError, match=f"mail by 127.0.0.1:{port}"):
        send(RULE, NOTICE, Smtp(host="127.0.0.1", port=port, sender="farm@example.org", tls="none"))
