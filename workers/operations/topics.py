"""`flagpost topics`: creates the topics with limits that fit segments, and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import click

from workers.errors import BrokerUnavailable
from workers.operations.cluster import Cluster, TopicPlan, TopicState
from workers.operations.findings import Finding, Standing, exit_code, show
from workers.review.intake import STATE_KEPT
from workers.settings import KafkaSettings, read_settings

HOUR: Final = timedelta(hours=1)
PARTITIONS: Final = 12
RETENTION_HOURS: Final = 12.0
"""Must stay below the 24 h for which stream states are kept, or a replay would flag again."""
DEAD_LETTERS_RETENTION: Final = timedelta(days=14)
REPLICAS: Final = 3
CREATE: Final = "flagpost topics create"

as_json = click.option("--json", "wants_json", is_flag=True, help="One JSON object a line.")
with_truth = click.option(
    "--truth", is_flag=True, help="Also the truth topic, which only simulated streams use."
)
retention_option = click.option(
    "--retention-hours",
    type=click.FloatRange(min=0.1, max=23.0),
    default=RETENTION_HOURS,
    show_default=True,
    help="How long frames are kept: the longest outage of all workers that loses nothing.",
)


@click.group(epilog="Example: flagpost topics create --partitions 24")
def topics() -> None:
    """Create and check the Kafka topics.

    Reads FLAGPOST_KAFKA_BOOTSTRAP and the other FLAGPOST_KAFKA_ settings.
    """


@topics.command(epilog="Example: flagpost topics create --partitions 24 --retention-hours 6")
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    default=PARTITIONS,
    show_default=True,
    help="Of the frames topic; at most this many workers share it.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 9),
    help="Copies of each partition; 3, or fewer where there are fewer brokers.",
)
@retention_option
@click.option("--grow", is_flag=True, help="Add partitions to a topic that has fewer.")
@with_truth
@as_json
def create(
    partitions: int,
    replicas: int | None,
    retention_hours: float,
    grow: bool,
    truth: bool,
    wants_json: bool,
) -> None:
    """Create missing topics; raise limits that are too low.

    Nothing is ever lowered, and nothing is deleted. Partitions of an existing topic are added only
    with --grow: streams then move to other partitions, and their order across the move is not kept.
    """
    settings = read_settings(KafkaSettings)
    with Cluster(settings) as cluster:
        copies = replicas or min(REPLICAS, cluster.brokers())
        plans = topic_plans(settings, partitions, copies, retention_hours, truth)
        findings = [_established(cluster, plan, grow) for plan in plans]
    show(findings, wants_json)


@topics.command(epilog="Example: flagpost topics check --json")
@retention_option
@with_truth
@as_json
def check(retention_hours: float, truth: bool, wants_json: bool) -> None:
    """Say whether the topics are there and would lose nothing.

    Exit codes: 0 they are good, 1 something is wrong, 3 settings do not fit.
    """
    settings = read_settings(KafkaSettings)
    with Cluster(settings) as cluster:
        findings = topic_findings(
            cluster, topic_plans(settings, 1, 1, retention_hours, truth), cluster.brokers()
        )
    show(findings, wants_json)
    raise SystemExit(exit_code(findings))


def topic_plans(
    settings: KafkaSettings,
    partitions: int = PARTITIONS,
    replicas: int = REPLICAS,
    retention_hours: float = RETENTION_HOURS,
    truth: bool = False,
) -> list[TopicPlan]:
    """What the settings ask for: frames, dead letters and, for simulated streams, truth."""
    limit = settings.max_message_bytes
    retention = timedelta(hours=retention_hours)
    plans = [
        TopicPlan(settings.frames_topic, partitions, replicas, retention, limit, has_frames=True),
        TopicPlan(
            settings.dead_letters_topic, min(3, partitions), replicas, DEAD_LETTERS_RETENTION, limit
        ),
    ]
    if truth:
        plans.append(
            TopicPlan(settings.truth_topic, min(3, partitions), replicas, retention, limit)
        )
    return plans


def topic_findings(cluster: Cluster, plans: Sequence[TopicPlan], brokers: int) -> list[Finding]:
    """How the topics are, compared with the plans."""
    return [
        finding for plan in plans for finding in _judged(cluster.topic(plan.name), plan, brokers)
    ]


def _judged(state: TopicState | None, plan: TopicPlan, brokers: int) -> list[Finding]:
    subject = f"topic {plan.name}"
    if state is None:
        return [Finding(subject, Standing.WRONG, "missing", CREATE)]
    findings = [
        Finding(
            subject,
            Standing.WRONG,
            f"{name} is {_own(state, name)}, expected at least {expected}",
            CREATE,
        )
        for name, expected in state.lacking(plan).items()
    ]
    if plan.has_frames and _outlasts_states(state):
        text = (
            f"kept {_kept(state.retention_ms)}, stream states for {STATE_KEPT // HOUR} h: reading "
            "older frames again would flag them again"
        )
        findings.append(Finding(subject, Standing.NOTE, text, _shorter(state.name, plan)))
    if state.replicas < 2 <= brokers:
        text = f"{state.replicas} replica on {brokers} brokers: a dead disk loses frames"
        mend = "kafka-reassign-partitions.sh, or create it anew with --replicas"
        findings.append(Finding(subject, Standing.NOTE, text, mend))
    return findings or [Finding(subject, Standing.GOOD, described(state))]


def _outlasts_states(state: TopicState) -> bool:
    kept_ms = state.retention_ms
    return kept_ms is not None and (kept_ms < 0 or timedelta(milliseconds=kept_ms) > STATE_KEPT)


def _shorter(name: str, plan: TopicPlan) -> str:
    return (
        f"kafka-configs.sh --alter --topic {name} "
        f"--add-config retention.ms={plan.retention // timedelta(milliseconds=1)}"
    )


def described(state: TopicState) -> str:
    """A topic in one line."""
    limit = "unknown" if state.max_message_bytes is None else f"{state.max_message_bytes} bytes"
    return (
        f"{state.partitions} partitions, {state.replicas} replicas, "
        f"messages up to {limit}, kept {_kept(state.retention_ms)}"
    )


def _established(cluster: Cluster, plan: TopicPlan, grow: bool) -> Finding:
    """Creates or raises one topic and says what was done."""
    subject = f"topic {plan.name}"
    if cluster.create(plan):
        return Finding(
            subject,
            Standing.GOOD,
            f"created: {plan.partitions} partitions, {plan.replicas} replicas",
        )
    state = cluster.topic(plan.name)
    if state is None:
        raise BrokerUnavailable(f"{subject}: just created elsewhere; run the command again")
    lacking = state.lacking(plan)
    done = [f"{name} raised to {value}" for name, value in lacking.items()]
    if lacking:
        cluster.raise_settings(plan.name, lacking)
    if state.partitions < plan.partitions and grow:
        cluster.add_partitions(plan.name, plan.partitions)
        done.append(f"grown from {state.partitions} to {plan.partitions} partitions")
    elif state.partitions < plan.partitions:
        text = ", ".join([*done, f"has {state.partitions} partitions, asked {plan.partitions}"])
        return Finding(subject, Standing.NOTE, text, f"{CREATE} --grow")
    return Finding(subject, Standing.GOOD, ", ".join(done) or f"as it was: {described(state)}")


def _own(state: TopicState, name: str) -> int | None:
    return state.max_message_bytes if name == "max.message.bytes" else state.retention_ms


def _kept(retention_ms: int | None) -> str:
    if retention_ms is None:
        return "for an unknown time"
    return "for ever" if retention_ms < 0 else f"for {retention_ms / 3_600_000:g} h"
