"""A notice as JSON to a URL, signed, and never to an address of this network unless the rule says so."""

import hashlib
import hmac
import ipaddress
import json
import socket

import httpx

from farm.errors import UndeliveredError

from ..notice import Notice
from ..rules import Rule

SECONDS = 10.0


def send(rule: Rule, notice: Notice) -> None:
    """POST it; any answer of success counts. ``X-Farm-Signature``: ``sha256=`` and the HMAC of the body in hex."""
    assert rule.url is not None and rule.url.host is not None
    host, port = rule.url.host.strip("[]"), rule.url.port or (443 if rule.url.scheme == "https" else 80)
    address = _address(host, port, rule.private)
    body = json.dumps(notice.to_json(), ensure_ascii=False).encode()
    headers = {
        "Host": host if rule.url.port is None else f"{rule.url.host}:{port}",
        "Content-Type": "application/json",
        "X-Farm-Event": notice.event,
        "X-Farm-Delivery": notice.key,
    }
    if secret := rule.secret.get_secret_value():
        headers["X-Farm-Signature"] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    # the address that was looked at is the one that is called: a name could answer otherwise the next time
    literal = f"[{address}]" if ":" in address else address
    url = httpx.URL(str(rule.url)).copy_with(host=literal, port=port)
    try:
        with httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False) as client:
            answer = client.post(url, content=body, headers=headers, extensions={"sni_hostname": host})
    except httpx.HTTPError as error:
        raise UndeliveredError(f"{rule.way}: {type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise UndeliveredError(f"{rule.way} answered {answer.status_code}")


def _address(host: str, port: int, private: bool) -> str:
    """One of the host's addresses; UndeliveredError when it has none, or one of this network that is not allowed."""
    try:
        found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise UndeliveredError(f"{host} has no address: {error.strerror or error}") from error
    for address in found if not private else ():
        if not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise UndeliveredError(
                f"{host} is {address}, an address of this network; a rule may go there with private = true"
            )
    return found[0]
