"""`flagpost bundles`: look at model bundles, check them, publish them to a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.table import Table

from engines.bundle import Bundle, bundle_named, shipped_bundles
from engines.errors import EngineError
from engines.opening import BACKENDS, open_engine
from engines.registry import CHANNELS, Pointer, Registry, bundle_from_reference
from workers.errors import ConfigurationRejected
from workers.settings import EngineSettings, read_settings


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        raise ConfigurationRejected(str(error)) from error


def _opened(reference: str) -> Bundle:
    """As a worker opens it."""
    with _mapped():
        return bundle_from_reference(reference, read_settings(EngineSettings).cache)


@click.group(epilog="Example: flagpost bundles show gameplay-s0")
def bundles() -> None:
    """List, check and publish model bundles."""


@bundles.command("list", epilog="Example: flagpost bundles list --registry s3://models/flagpost")
@click.option("--registry", help="A registry's directory or URL; the shipped ones if not given.")
@click.option("--json", "wants_json", is_flag=True)
def list_bundles(registry: str | None, wants_json: bool) -> None:
    """List the shipped bundles, or those of a registry with its channels."""
    with _mapped():
        rows = _registry_rows(registry) if registry else _shipped_rows()
    if wants_json:
        click.echo(json.dumps(rows))
        return
    table = Table("name", "version", "card", "channels")
    for row in rows:
        table.add_row(row["name"], row["version"], row["digest"][:12], row["channels"])
    Console().print(table)


@bundles.command(epilog="Example: flagpost bundles show s3://models/flagpost#stable --json")
@click.argument("bundle")
@click.option("--json", "wants_json", is_flag=True, help="The card as it is.")
def show(bundle: str, wants_json: bool) -> None:
    """Say what a bundle is, what it was trained on and how well it does.

    BUNDLE is a shipped one's name, a directory or REGISTRY_URL#channel.
    """
    found = _opened(bundle)
    if wants_json:
        click.echo(found.card.model_dump_json())
        return
    Console().print(_card_table(found))


@bundles.command(epilog="Example: flagpost bundles verify my-bundle/")
@click.argument("bundle")
def verify(bundle: str) -> None:
    """Check every digest, then open the bundle on every backend and check its golden frames.

    BUNDLE is a shipped one's name, a directory or REGISTRY_URL#channel.
    """
    found = _opened(bundle)
    with _mapped():
        found.verify()
        for backend in BACKENDS:
            for precision in sorted({file.precision for file in found.card.files}):
                open_engine(found, backend, precision).close()
                click.echo(f"{backend} {precision}: digests and golden frames hold")


@bundles.command(epilog="Example: flagpost bundles publish my-bundle/ --registry /srv/models")
@click.argument("bundle")
@click.option("--registry", required=True)
def publish(bundle: str, registry: str) -> None:
    """Copy a bundle into a registry; a version never changes."""
    with _mapped():
        pointer = Registry(registry).publish(bundle_named(bundle))
    click.echo(f"{pointer.name} {pointer.version} {pointer.digest}")


@bundles.command(
    epilog="Example: flagpost bundles channel stable my-model 3 --registry /srv/models"
)
@click.argument("channel", type=click.Choice(CHANNELS))
@click.argument("name")
@click.argument("version")
@click.option("--registry", required=True)
def channel(channel: str, name: str, version: str, registry: str) -> None:
    """Point a channel at a bundle; workers that start from now on take it."""
    with _mapped():
        opened = Registry(registry)
        found = [p for p in opened.bundles() if (p.name, p.version) == (name, version)]
        if not found:
            raise ConfigurationRejected(f"registry {registry}: no bundle {name} {version}")
        opened.point(channel, found[0])
    click.echo(f"{channel} -> {name} {version}")


def _shipped_rows() -> list[dict[str, str]]:
    found = [bundle_named(name) for name in shipped_bundles()]
    return [_row(Pointer(b.card.model.name, b.card.model.version, b.digest), "") for b in found]


def _registry_rows(url: str) -> list[dict[str, str]]:
    registry = Registry(url)
    pointed: dict[Pointer, list[str]] = {}
    for name in CHANNELS:
        try:
            pointed.setdefault(registry.channel(name), []).append(name)
        except EngineError:
            continue  # a channel may point nowhere yet
    return [_row(p, ", ".join(pointed.get(p, []))) for p in registry.bundles()]


def _row(pointer: Pointer, channels: str) -> dict[str, str]:
    return {
        "name": pointer.name,
        "version": pointer.version,
        "digest": pointer.digest,
        "channels": channels,
    }


def _card_table(bundle: Bundle) -> Table:
    card = bundle.card
    table = Table(title=f"{card.model.name} {card.model.version}", show_header=False)
    table.add_row("what", card.model.summary)
    table.add_row("network", card.model.architecture)
    table.add_row("input", f"{card.input.width}x{card.input.height}, whole frame")
    rule = card.decision
    table.add_row(
        "rule",
        f"median of {rule.median_of}; opens at {rule.open_threshold}, closes below "
        f"{rule.close_threshold}; {card.input.looks_per_second} looks a second",
    )
    for file in card.files:
        table.add_row(file.precision, f"{file.file}, {file.size_bytes / 1e6:.1f} MB")
    for name, value in card.metrics.items():
        shown = f"{value.value:.3g} ({value.low:.3g} to {value.high:.3g})"
        table.add_row(name.replace("_", " "), shown)
    table.add_row("licences", ", ".join(card.model.licences))
    return table
