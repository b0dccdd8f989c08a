"""`flagpost queue`: look at the review queue, claim and decide flags, recover from journals."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from schemas.decisions import Decision, Reason, Verdict
from workers.errors import ConfigurationRejected
from workers.lifecycle import EXIT_FAILED
from workers.review.board import Board
from workers.review.desk import Answer, FlagState, Pool, ReviewDesk
from workers.review.recover import recover as recover_flags
from workers.settings import RedisSettings, read_settings

HIDDEN = ("verdict", "by1", "before", "last_", "t_last", "req:")
SENIOR = (Pool.ESCALATED, Pool.READY)
as_json = click.option("--json", "wants_json", is_flag=True, help="One JSON object on stdout.")
reviewer_option = click.option("--reviewer", required=True, help="Who acts.")
epoch_option = click.option("--epoch", required=True, type=int, help="From the claim.")
senior_option = click.option("--senior", is_flag=True, help="Also what was escalated.")


@click.group(epilog="Example: flagpost queue stats")
def queue() -> None:
    """Look at the review queue; claim, decide, recover.

    Reads FLAGPOST_REDIS_URL and FLAGPOST_REDIS_QUEUE.
    """


@queue.command(epilog="Example: flagpost queue stats --json")
@as_json
def stats(wants_json: bool) -> None:
    """Count what waits, what is held, what is parked, what is decided."""
    found = Board(_settings()).counts()
    if wants_json:
        counts = asdict(found) | {"ready_by_severity": found.ready_by_severity}
        click.echo(json.dumps(counts, default=str))
        return
    table = Table(title=f"Review queue: {_settings().queue}", show_header=False)
    by_severity = ", ".join(
        f"{count} {name}" for name, count in found.ready_by_severity.items() if count
    )
    table.add_row("waiting", f"{found.ready}" + (f"  ({by_severity})" if by_severity else ""))
    table.add_row("overdue", str(found.overdue), style="red" if found.overdue else "")
    table.add_row("most urgent due", f"{found.oldest_due:%H:%M:%S}" if found.oldest_due else "-")
    table.add_row("held by reviewers", str(found.leased))
    table.add_row("leases that ran out", str(found.lapsed))
    table.add_row("escalated", str(found.escalated))
    table.add_row("handed to a person", str(found.handed))
    table.add_row("parked", str(found.parked), style="yellow" if found.parked else "")
    table.add_row("decided", str(found.decided))
    Console().print(table)


@queue.command("list", epilog="Example: flagpost queue list --pool escalated")
@click.option("--pool", default=Pool.READY.value, help="ready, escalated, parked or to:PERSON.")
@click.option("--limit", default=20, show_default=True)
@as_json
def list_flags(pool: str, limit: int, wants_json: bool) -> None:
    """List waiting flags, the most urgent first."""
    desk = ReviewDesk(_settings())
    rows: list[dict[str, Any]] = []
    for flag_id, due in desk.waiting(pool, limit):
        fields = desk.flag(flag_id) or {}
        rows.append({"flag": flag_id, "due": due.isoformat(), "stream": fields.get("stream")})
    if wants_json:
        click.echo(json.dumps(rows))
        return
    table = Table("flag", "stream", "due")
    for row in rows:
        table.add_row(row["flag"], row["stream"], row["due"])
    Console().print(table)


@queue.command(epilog="Example: flagpost queue show 01M85V1J8ATPSJ0APNAMXD67M5")
@click.argument("flag_id")
def show(flag_id: str) -> None:
    """Show what the queue knows of one flag, as JSON.

    A verdict shows once the flag is decided: a second reviewer must not know the first one's.
    """
    fields = ReviewDesk(_settings()).flag(flag_id)
    if fields is None:
        raise ConfigurationRejected(f"flag {flag_id}: not in queue {_settings().queue}")
    facts = json.loads(fields.pop("json", "{}"))
    if fields.get("state") != FlagState.DECIDED:
        fields = {name: text for name, text in fields.items() if not name.startswith(HIDDEN)}
    click.echo(json.dumps({"flag": facts, "review": fields}, indent=2))


@queue.command(epilog="Example: flagpost queue claim --reviewer ana")
@reviewer_option
@senior_option
@click.option("--without", multiple=True, help="A policy not to be given; may be repeated.")
def claim(reviewer: str, senior: bool, without: tuple[str, ...]) -> None:
    """Take the flag that is due first; prints it and the epoch that decides it, as JSON."""
    lease = ReviewDesk(_settings()).claim(reviewer, pools=_pools(senior), without=without)
    if lease is None:
        click.echo("null")
        return
    shown = {"epoch": lease.epoch, "ends_at": lease.ends_at.isoformat()}
    click.echo(json.dumps(shown | {"flag": lease.flag.model_dump(mode="json")}, indent=2))


@queue.command(
    epilog="Example: flagpost queue decide FLAG --reviewer ana --epoch 1 "
    "--verdict not_violent --reason game"
)
@click.argument("flag_id")
@reviewer_option
@epoch_option
@senior_option
@click.option("--verdict", required=True, type=click.Choice([v.value for v in Verdict]))
@click.option("--policy", help="Which policy a violent flag breaks.")
@click.option("--reason", type=click.Choice([r.value for r in Reason]))
@click.option("--note", default="")
@click.option("--request-id", default=None, help="Repeat it to repeat the same request.")
def decide(flag_id: str, request_id: str | None, senior: bool, **given: Any) -> None:
    """Decide a flag that you hold."""
    try:
        decision = Decision(
            flag_id=flag_id,
            request_id=request_id or uuid4().hex,
            decided_at=datetime.now(UTC),
            **given,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    _end(ReviewDesk(_settings()).decide(decision, _pools(senior)))


@queue.command(epilog="Example: flagpost queue skip FLAG --reviewer ana --epoch 1")
@click.argument("flag_id")
@reviewer_option
@epoch_option
@click.option("--because", default="")
def skip(flag_id: str, reviewer: str, epoch: int, because: str) -> None:
    """Hand a flag on; you are not offered it again."""
    _end(ReviewDesk(_settings()).skip(flag_id, reviewer, epoch, because))


@queue.command(epilog="Example: flagpost queue release FLAG --reviewer ana --epoch 1")
@click.argument("flag_id")
@reviewer_option
@epoch_option
@click.option("--because", default="")
def release(flag_id: str, reviewer: str, epoch: int, because: str) -> None:
    """Give a flag back; you or somebody else gets it at its due time."""
    _end(ReviewDesk(_settings()).release(flag_id, reviewer, epoch, because))


@queue.command(epilog="Example: flagpost queue park FLAG --by lee --because 'media missing'")
@click.argument("flag_id")
@click.option("--by", required=True)
@click.option("--because", required=True)
def park(flag_id: str, by: str, because: str) -> None:
    """Set a flag aside for a supervisor."""
    _end(ReviewDesk(_settings()).park(flag_id, by, because))


@queue.command(epilog="Example: flagpost queue move FLAG --to to:ana --by lee")
@click.argument("flag_id")
@click.option("--to", "pool", required=True, help="ready, escalated or to:PERSON.")
@click.option("--by", required=True)
@click.option("--because", default="")
@click.option("--second-review", is_flag=True, help="Two people shall look.")
def move(flag_id: str, pool: str, by: str, because: str, second_review: bool) -> None:
    """Move a flag to a pool or a person, also out of the parked ones."""
    try:
        answer = ReviewDesk(_settings()).move(flag_id, pool, by, because, second_review)
    except ValueError as error:
        raise click.UsageError(f"--to: {error}") from error
    _end(answer)


@queue.command(epilog="Example: flagpost queue undo FLAG --reviewer ana")
@click.argument("flag_id")
@reviewer_option
@senior_option
def undo(flag_id: str, reviewer: str, senior: bool) -> None:
    """Take your own last verdict back, within ten seconds."""
    answer, _ = ReviewDesk(_settings()).undo(flag_id, reviewer, may=_pools(senior))
    _end(answer)


@queue.command(epilog="Example: flagpost queue recover /var/lib/flagpost/journal.jsonl --dry-run")
@click.argument("journals", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--dry-run", is_flag=True, help="Only count.")
@as_json
def recover(journals: tuple[Path, ...], dry_run: bool, wants_json: bool) -> None:
    """Put flags of workers' journals back that Redis has lost; oldest journal first."""
    found = recover_flags(_settings(), journals, dry_run)
    if wants_json:
        click.echo(json.dumps(asdict(found)))
        return
    verb = "would be recovered" if dry_run else "recovered"
    click.echo(f"{found.in_journal} in the journal, {found.known} known, {found.recovered} {verb}")


def _settings() -> RedisSettings:
    return read_settings(RedisSettings)


def _pools(senior: bool) -> tuple[Pool, ...]:
    return SENIOR if senior else (Pool.READY,)


def _end(answer: Answer) -> None:
    click.echo(answer.value)
    if not answer.is_taken:
        raise SystemExit(EXIT_FAILED)
