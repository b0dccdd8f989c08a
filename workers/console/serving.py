"""The console's process: a socket, uvicorn on it, and an end that is in order."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import click
import uvicorn
from anyio.to_thread import run_sync
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from workers.console.application import create_app
from workers.console.parts import made_parts
from workers.console.state import ConsoleState
from workers.errors import ConfigurationRejected
from workers.lifecycle import stop_on_signals
from workers.logs import configure_logging
from workers.settings import ConsoleSettings, EvidenceSettings, RedisSettings, read_settings

STOP_LIMIT_S = 5
BACKLOG = 256


def serve(settings: ConsoleSettings, wants_json: bool) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        ConfigurationRejected: Settings do not fit together, or the port is taken.
    """
    configure_logging(settings.log_level, settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    check(settings)
    # uvicorn raises the signal that ended it once more: by default that would be our end, here.
    stop_on_signals(threading.Event())
    listener = listening(settings.host, settings.port)
    port = listener.getsockname()[1]
    address = settings.public_url or f"http://{_shown(settings.host)}:{port}"
    redis, evidence = read_settings(RedisSettings), read_settings(EvidenceSettings)
    parts = made_parts(settings, redis, evidence)
    place = ConsoleState(settings.state).address
    try:
        place.write_text(address)
        parts.audit.append("console", "start", address, sign_in=settings.sign_in)
        if wants_json:
            click.echo(json.dumps({"console": address}))
        else:
            click.echo(f"Flagpost console: {address}")
            if settings.sign_in == "link":
                click.echo("Sign in: flagpost console link --name ana --role reviewer")
        if settings.workers == 1:
            uvicorn.Server(_server_settings(create_app(parts))).run(sockets=[listener])
        else:
            made = partial(_application, settings, redis, evidence)
            config = _server_settings(made, factory=True, workers=settings.workers)
            Multiprocess(config, [listener]).run()
    finally:
        place.unlink(missing_ok=True)
        parts.close()
        listener.close()


def _application(
    settings: ConsoleSettings, redis: RedisSettings, evidence: EvidenceSettings
) -> FastAPI:
    """The application of one process among several; it closes its own parts."""
    configure_logging(settings.log_level, settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    parts = made_parts(settings, redis, evidence)
    app = create_app(parts)

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_sync(parts.close)

    app.router.lifespan_context = closing
    return app


def check(settings: ConsoleSettings) -> None:
    """Refuses settings that would leave a door open.

    Raises:
        ConfigurationRejected: Names the setting and what is expected.
    """
    https = bool(settings.public_url and settings.public_url.startswith("https:"))
    if not https and not _is_loopback(settings.host):
        raise ConfigurationRejected(
            f"FLAGPOST_CONSOLE_HOST: {settings.host} is not loopback, and passwords and pictures "
            "do not go over plain http; put a proxy with TLS in front and set "
            "FLAGPOST_CONSOLE_PUBLIC_URL=https://..."
        )
    if settings.sign_in == "proxy" and not settings.proxy_peers:
        raise ConfigurationRejected(
            "FLAGPOST_CONSOLE_PROXY_PEERS: empty, so no proxy is believed; expected the networks "
            "of your proxies, such as 10.0.0.0/24"
        )
    for network in settings.proxy_peers:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise ConfigurationRejected(f"FLAGPOST_CONSOLE_PROXY_PEERS: {error}") from error
    if settings.sign_in == "oidc" and not (settings.oidc_issuer and settings.oidc_client_id):
        raise ConfigurationRejected(
            "FLAGPOST_CONSOLE_SIGN_IN=oidc: FLAGPOST_CONSOLE_OIDC_ISSUER and "
            "FLAGPOST_CONSOLE_OIDC_CLIENT_ID are expected"
        )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; raises ConfigurationRejected where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationRejected(
            f"the console cannot listen on {host}:{port}: {error.strerror or error}; choose "
            "another with --port, or 0 for a free one"
        ) from error
    # Connections inherit it. asyncio sets it only where a socket names its protocol, and without
    # it a page waits 40 ms for the browser's delayed acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _server_settings(app: Any, **processes: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        # Addresses hold one-time tokens: requests are not logged here; the audit log has them.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=STOP_LIMIT_S,
        **processes,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
