"""`flagpost deadletters`: lists, shows and replays messages that workers refused."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from workers.errors import ConfigurationRejected
from workers.frames_topic import FramePublisher
from workers.lifecycle import EXIT_FAILED
from workers.operations.replay import replay as replay_letters
from workers.operations.set_aside import DeadLetter, TopicReader
from workers.settings import KafkaSettings, read_settings

MOST_ATTEMPTS: Final = 3
as_json = click.option("--json", "wants_json", is_flag=True, help="JSON on stdout.")
reason_option = click.option("--reason", help="Only those with this reason, such as `truncated`.")
stream_option = click.option("--stream", help="Only those of this stream.")


@click.group(epilog="Example: flagpost deadletters list --reason contract")
def deadletters() -> None:
    """List, show and replay dead letters: messages that workers refused, with the reason.

    Reading moves no worker's position. A dead letter is named PARTITION:OFFSET.
    """


@deadletters.command("list", epilog="Example: flagpost deadletters list --reason contract --json")
@reason_option
@stream_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@as_json
def list_letters(reason: str | None, stream: str | None, limit: int, wants_json: bool) -> None:
    """List the newest dead letters and count all by reason."""
    counts: Counter[str] = Counter()
    with _reader() as (reader, progress):
        newest = _newest(_chosen(reader, progress, reason, stream), limit, counts)
    if wants_json:
        for letter in newest:
            click.echo(json.dumps(_facts(letter)))
        return
    table = Table("place", "refused at", "reason", "detail", "stream", "attempt", show_edge=False)
    for letter in newest:
        when = f"{letter.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            letter.place, when, letter.reason, letter.detail, letter.stream, str(letter.attempt)
        )
    Console().print(table)
    summary = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    click.echo(f"{counts.total()} dead letters" + (f": {summary}" if summary else ""))


@deadletters.command(epilog="Example: flagpost deadletters show 0:17 --save piece.ts")
@click.argument("place", metavar="PARTITION:OFFSET")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the media to a file."
)
def show(place: str, save: Path | None) -> None:
    """Show one dead letter as JSON: its headers, and which broke which rule."""
    with _reader() as (reader, progress):
        letter = next((one for one in reader.dead_letters(progress) if one.place == place), None)
    if letter is None:
        raise ConfigurationRejected(f"dead letter {place}: none at this place")
    shown = _facts(letter)
    shown["headers"] = {
        name: text.decode(errors="backslashreplace") for name, text in letter.headers
    }
    rule = letter.broken_rule()
    if rule is not None:
        shown["broken"] = {"field": rule.field, "got": rule.got, "expected": rule.expected}
    click.echo(json.dumps(shown, indent=2))
    if save is not None:
        save.write_bytes(letter.value)


@deadletters.command(epilog="Example: flagpost deadletters replay --reason decoder-crashed")
@click.argument("places", nargs=-1, metavar="[PARTITION:OFFSET]...")
@reason_option
@stream_option
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option(
    "--most-attempts",
    type=click.IntRange(1, 100),
    default=MOST_ATTEMPTS,
    show_default=True,
    help="Leave out what came back this often.",
)
@as_json
def replay(
    places: tuple[str, ...],
    reason: str | None,
    stream: str | None,
    dry_run: bool,
    most_attempts: int,
    wants_json: bool,
) -> None:
    """Send dead letters through the workers again, after what refused them was mended.

    They go to the frames topic as stream STREAM~replay, so that the live stream's scores and order
    are not disturbed. Dead letters stay where they are until their retention ends.
    """
    if not places and not reason and not stream:
        raise click.UsageError("choose places, --reason or --stream")
    settings = read_settings(KafkaSettings)
    publisher = None if dry_run else FramePublisher(settings, settings.frames_topic)
    try:
        with _reader() as (reader, progress), TopicReader(settings) as sources:
            chosen = _chosen(reader, progress, reason, stream, places)
            result = replay_letters(chosen, sources, publisher, most_attempts)
    finally:
        if publisher is not None:
            publisher.close()
    if wants_json:
        click.echo(json.dumps(asdict(result)))
    else:
        verb = "would be sent" if dry_run else "sent"
        click.echo(
            f"{result.sent} {verb}; left out: {len(result.breaking)} that still break the "
            f"contract, {result.tired} tried too often, {result.gone} whose media is gone"
        )
        for place, rule in list(result.breaking.items())[:10]:
            click.echo(f"  {place}: {rule}")
    if not result.sent:
        raise SystemExit(EXIT_FAILED)


@contextmanager
def _reader() -> Iterator[tuple[TopicReader, Any]]:
    """A reader, and a progress bar on stderr that it moves."""
    with (
        TopicReader(read_settings(KafkaSettings)) as reader,
        Progress(console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task("reading dead letters", total=None)
        yield reader, lambda count, total: bar.update(task, completed=count, total=total)


def _chosen(
    reader: TopicReader,
    progress: Any,
    reason: str | None,
    stream: str | None,
    places: tuple[str, ...] = (),
) -> Iterator[DeadLetter]:
    for letter in reader.dead_letters(progress):
        if reason not in (None, letter.reason) or stream not in (None, letter.stream):
            continue
        if not places or letter.place in places:
            yield letter


def _newest(letters: Iterator[DeadLetter], limit: int, counts: Counter[str]) -> list[DeadLetter]:
    """The newest of all, oldest first; no more than these are held, for each has its media."""
    newest: list[tuple[datetime, int, DeadLetter]] = []
    for number, letter in enumerate(letters):
        counts[letter.reason] += 1
        keep = heapq.heappush if len(newest) < limit else heapq.heappushpop
        keep(newest, (letter.at, number, letter))
    return [letter for _, _, letter in sorted(newest)]


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {
        "place": letter.place,
        "at": letter.at.isoformat(),
        "reason": letter.reason,
        "detail": letter.detail,
        "stream": letter.stream,
        "source": letter.source,
        "attempt": letter.attempt,
        "bytes": letter.size_bytes,
        "sha256": letter.sha256,
        "has_media": letter.has_media,
    }
