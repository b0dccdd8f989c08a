"""`flagpost console`: serve the review console; make links, people and tokens for it."""

from __future__ import annotations

import click

from workers.console.serving import serve
from workers.console.staff_commands import link, people, revoke, token
from workers.settings import ConsoleSettings, read_settings


@click.group(
    invoke_without_command=True,
    epilog="Example: flagpost console --port 8480   then: flagpost console link --name ana",
)
@click.option("--host", help="Address to listen on.  [default: FLAGPOST_CONSOLE_HOST or 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes a free one.  [default: FLAGPOST_CONSOLE_PORT or 8480]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that answer.  [default: FLAGPOST_CONSOLE_WORKERS or 1]",
)
@click.option("--json", "wants_json", is_flag=True, help="The address as one JSON line, first.")
@click.pass_context
def console(
    ctx: click.Context, host: str | None, port: int | None, workers: int | None, wants_json: bool
) -> None:
    """Serve the review console until Ctrl-C.

    Reads FLAGPOST_CONSOLE_*, FLAGPOST_REDIS_* and FLAGPOST_EVIDENCE_URL. Everything below makes
    people and links for it; on the same machine and from the same settings.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = read_settings(ConsoleSettings)
    changes = {"host": host, "port": port, "workers": workers}
    given = {name: value for name, value in changes.items() if value is not None}
    serve(settings.model_copy(update=given), wants_json)


for command in (link, people, revoke, token):
    console.add_command(command)
