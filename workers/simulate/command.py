"""`flagpost simulate`: plays live gameplay streams with exact truth onto Kafka."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import click

from workers.lifecycle import stop_on_signals
from workers.settings import KafkaSettings, read_settings
from workers.simulate.kept import POOLS_KEPT, played_pool
from workers.simulate.live import LiveSettings, play_live
from workers.simulate.pool import POOL_TAKES
from workers.simulate.render import FPS, RenderSettings
from workers.simulate.rendering import MIXED, SIZE_NAMES, render, size_from_name
from workers.simulate.scenes import SPLITS, Split

KEPT = Path.home() / ".cache" / "flagpost" / "takes"


@click.group(
    invoke_without_command=True,
    epilog="Example: flagpost simulate --streams 12 --duration 300 --truth truth.jsonl",
)
@click.option("--streams", type=click.IntRange(1, 10_000), default=12, show_default=True)
@click.option("--duration", type=click.FloatRange(min=1), help="Seconds; endless if not given.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="JSONL file.")
@click.option(
    "--also",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An ordinary video, looped as one more stream; may be given again.",
)
@click.option(
    "--pool",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of takes to play, of whatever seed.  [default: one in ~/.cache/flagpost for "
    f"these settings and seed; the {POOLS_KEPT} used last are kept]",
)
@click.option(
    "--pool-takes",
    type=click.IntRange(min=0),
    default=POOL_TAKES,
    show_default=True,
    help="Render up to this many takes meanwhile; 0: only play what is there.",
)
@click.option(
    "--cpu-share",
    type=click.FloatRange(0.02, 1),
    default=0.3,
    show_default=True,
    help="Of one core, for rendering while streams run.",
)
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option("--size", type=click.Choice(SIZE_NAMES), default=MIXED, show_default=True)
@click.option("--fps", type=click.FloatRange(1, 35), default=FPS, show_default=True)
@click.option("--flashes/--no-flashes", default=True, help="Red flashes when the player is hurt.")
@click.option("--segment", type=click.FloatRange(0.1, 60), default=1.0, help="Seconds.")
@click.option("--fast", is_flag=True, help="As fast as Kafka takes it; needs --duration.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_context
def simulate(
    ctx: click.Context,
    streams: int,
    duration: float | None,
    truth: Path | None,
    also: tuple[Path, ...],
    pool: Path | None,
    pool_takes: int,
    cpu_share: float,
    split: Split,
    size: str,
    fps: float,
    flashes: bool,
    segment: float,
    fast: bool,
    seed: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Play live gameplay streams with exact truth.

    Takes are rendered into a pool while streams play from it. Truth goes to a topic, and to a file
    where one is given. Kafka is found by FLAGPOST_KAFKA_* or --config.
    """
    if ctx.invoked_subcommand is not None:
        return
    if fast and duration is None:
        raise click.UsageError("--fast needs --duration: it would never end")
    play = RenderSettings(split, fps=fps, flashes=flashes, size=size_from_name(size))
    kafka = read_settings(KafkaSettings, config)
    stop_on_signals(stopping := threading.Event())
    with nullcontext(pool) if pool else played_pool(KEPT, play, seed) as takes:
        settings = LiveSettings(
            streams=streams,
            duration_s=duration,
            truth=truth,
            also=also,
            pool=takes,
            pool_takes=pool_takes,
            cpu_share=cpu_share,
            split=split,
            size=play.size,
            fps=fps,
            flashes=flashes,
            segment_s=segment,
            fast=fast,
            seed=seed,
        )
        summary = play_live(settings, kafka, stopping)
    click.echo(summary.as_json() if as_json else summary.as_sentence())


simulate.add_command(render)
