"""`flagpost score`: tries a bundle on files, without brokers."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from engines.bundle import Bundle
from engines.errors import EngineError
from engines.registry import bundle_from_reference
from workers.errors import ConfigurationRejected
from workers.lifecycle import EXIT_FAILED
from workers.score.plot import check_target
from workers.score.plot import plot as draw
from workers.score.reader import ReaderConfig
from workers.score.result import FileResult, score_file
from workers.settings import EngineSettings, read_settings


@click.command(epilog="Example: flagpost score my.mp4 --plot score.png")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--bundle", help="A shipped bundle's name, a directory or REGISTRY_URL#channel.")
@click.option("--backend", type=click.Choice(["openvino", "onnxruntime"]))
@click.option("--precision", type=click.Choice(["fp32", "bf16", "int8"]))
@click.option(
    "--looks-per-second",
    type=click.FloatRange(min=0.01, max=60),
    help="Frames scored per second of video; the bundle's own where not given.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="Picture of the score over time.")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object a file on stdout.")
def score(
    files: tuple[Path, ...],
    bundle: str | None,
    backend: str | None,
    precision: str | None,
    looks_per_second: float | None,
    plot: Path | None,
    wants_json: bool,
) -> None:
    """Score video files with the worker's decode, engine and decision rule.

    The score of a clip is the highest median that the rule's window saw. A file that cannot be
    scored is an error on its own line and never the end of the run.

    Exit codes: 0 all scored, 1 some were not, 3 configuration.
    """
    chosen = read_settings(EngineSettings)
    if plot is not None:
        check_target(plot)
    try:
        opened = bundle_from_reference(bundle or chosen.bundle, chosen.cache)
    except EngineError as error:
        raise ConfigurationRejected(str(error)) from error
    configs = [
        ReaderConfig(
            str(file),
            str(opened.directory.resolve()),
            backend or chosen.backend,
            precision or chosen.precision,
            looks_per_second or opened.card.input.looks_per_second,
        )
        for file in files
    ]
    results: list[FileResult] = []
    with _progress() as progress:
        for config in configs:
            results.append(_scored(config, opened, progress))
            if wants_json:
                click.echo(results[-1].as_json())
    if not wants_json:
        Console().print(_table(results))
    if plot is not None:
        draw(results, opened.rule, plot)
    if any(result.error is not None for result in results):
        raise SystemExit(EXIT_FAILED)


def _scored(config: ReaderConfig, bundle: Bundle, progress: Progress) -> FileResult:
    task = progress.add_task(Path(config.file).name, total=1.0)
    result = score_file(config, bundle.rule, lambda done: progress.update(task, completed=done))
    progress.remove_task(task)
    return result


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _table(results: list[FileResult]) -> Table:
    table = Table("file", "score", "frames", "incidents")
    for result in results:
        spans = ", ".join(f"{i.start_s:.1f}-{i.end_s:.1f} s" for i in result.incidents) or "none"
        shown = "-" if result.score is None else f"{result.score:.2f}"
        # As text: a file's name may look like markup.
        note = Text(result.error, "red") if result.error else Text(spans)
        table.add_row(Text(Path(result.file).name), shown, str(len(result.looks)), note)
    return table
