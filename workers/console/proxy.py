"""Proxies in front: what their headers say is believed from listed peers only, by default none.

A proxy must drop these headers from what browsers send. Whether it is one of ours, the address of
the connection says; a forwarded-for header says only whom to count an attempt against.
"""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_network

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from schemas.frames import Identifier
from workers.console.parts import ConsoleParts, parts_of
from workers.console.people import Person, known_roles
from workers.errors import WorkerError


class ProxyRefused(WorkerError):
    """The connection did not come from a listed proxy, or it names nobody."""


def person_from_proxy(request: Request, parts: ConsoleParts) -> Person:
    """Whom the proxy's headers name.

    Raises:
        ProxyRefused: The peer is not listed, or the headers name nobody fit.
    """
    settings = parts.settings
    peer = request.client.host if request.client else ""
    if not is_listed(peer, settings.proxy_peers):
        raise ProxyRefused(f"{peer or 'this peer'} is not a listed proxy")
    names = request.headers.getlist(settings.proxy_name_header)
    if len(names) != 1:
        raise ProxyRefused(f"{len(names)} headers {settings.proxy_name_header}; expected one")
    try:
        name = TypeAdapter[str](Identifier).validate_python(names[0])
    except ValidationError as error:
        raise ProxyRefused(f"{settings.proxy_name_header}: no fit name") from error
    roles = known_roles(
        ",".join(request.headers.getlist(settings.proxy_roles_header)), settings.oidc_role_prefix
    )
    session = hashlib.sha256(b"proxy\0" + parts.secret + name.encode()).hexdigest()[:40]
    return Person(name, roles, name, session)


def address_of(request: Request) -> str:
    """The address that attempts are counted against: of the browser, as far as one can know."""
    peer = request.client.host if request.client else "unknown"
    listed = parts_of(request).settings.proxy_peers
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while is_listed(peer, listed) and hops:
        peer = hops.pop().strip() or peer
    return peer[:100]


def is_listed(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of some networks."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in ip_network(network, strict=False) for network in networks)
