"""The `flagpost` command. Subcommands load on use, so `flagpost --help` imports none of them."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from workers.errors import Fatal, WorkerError

COMMANDS: Final = {
    "audit": ("workers.console.audit_command:audit", "Show and verify the console's audit log."),
    "bundles": ("workers.operations.bundles:bundles", "List, check and publish model bundles."),
    "console": ("workers.console.command:console", "Serve the review console; its people, links."),
    "deadletters": (
        "workers.operations.deadletters:deadletters",
        "List, show and replay dead letters.",
    ),
    "demo": (
        "workers.demo.command:demo",
        "Run everything here: brokers, streams, worker, console, live score.",
    ),
    "doctor": (
        "workers.operations.doctor:doctor",
        "Say what is here, what is missing and what mends it.",
    ),
    "ingest": ("workers.ingest.command:ingest", "Cut live streams into segments on Kafka."),
    "queue": ("workers.review.command:queue", "Look at the review queue; claim, decide, recover."),
    "schema": (
        "workers.operations.schema:schema",
        "Print the JSON Schema or an example of a message.",
    ),
    "score": ("workers.score.command:score", "Score video files, without brokers."),
    "simulate": (
        "workers.simulate.command:simulate",
        "Play live gameplay streams with exact truth.",
    ),
    "topics": ("workers.operations.topics:topics", "Create and check the Kafka topics."),
    "worker": ("workers.moderation.command:worker", "Moderate the streams of a topic."),
}
EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 3


class LazyGroup(click.Group):
    """Lists commands from a table and imports one only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.command(cls=LazyGroup, epilog="Example: flagpost score my.mp4 --plot score.png")
@click.version_option(package_name="flagpost")
def flagpost() -> None:
    """Live-stream moderation: from a stream on Kafka to a flag that people decide."""


def main() -> None:
    """Entry point: turns our errors into one line on stderr and an exit code.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration or environment, 75 try again later.
    """
    try:
        flagpost(prog_name="flagpost")
    except Fatal as error:
        click.echo(f"flagpost: {error}", err=True)
        sys.exit(EXIT_CONFIGURATION)
    except WorkerError as error:
        click.echo(f"flagpost: {error}", err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
