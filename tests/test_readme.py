"""What the README names is there: files, commands and their options, make targets, settings."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from pydantic_settings import BaseSettings

import workers.settings
from workers.cli import flagpost

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROSE = re.sub(r"https?://\S+", "", README)
COMMANDS = sorted(set(re.findall(r"(?:^ {4}|`|bin/)(flagpost [a-z][^`#\n|]*)", PROSE, re.M)))
TARGETS = sorted(
    {name for line in re.findall(r"\bmake ([a-z./ ]+)", PROSE) for name in line.split()}
)
FILES = sorted(set(re.findall(r"\]\(([\w/.]+)\)", PROSE)))
VARIABLES = sorted(set(re.findall(r"`(FLAGPOST_[A-Z_]+)", PROSE)))


def settings_names() -> set[str]:
    groups = [
        kind
        for kind in vars(workers.settings).values()
        if isinstance(kind, type) and issubclass(kind, BaseSettings)
    ]
    return {
        f"{group.model_config.get('env_prefix', '')}{field}".upper()
        for group in groups
        for field in group.model_fields
    }


def command_named(words: list[str]) -> click.Command:
    """The command that the words lead to; fails where one of them leads nowhere."""
    found: click.Command = flagpost
    for word in words:
        if not isinstance(found, click.Group) or not word.isalpha() or not word.islower():
            break
        inner = found.get_command(click.Context(found), word)
        assert inner is not None, f"`{' '.join(words)}`: no command {word}"
        found = inner
    return found


def test_the_readme_was_read():
    assert len(COMMANDS) > 10
    assert len(VARIABLES) > 10
    assert "demo" in TARGETS


@pytest.mark.parametrize("text", COMMANDS)
def test_every_command_and_option_exists(text):
    words = text.split()[1:]
    found = command_named(words)
    known = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}


@pytest.mark.parametrize("name", TARGETS)
def test_every_make_target_exists(name):
    rule = rf"^{re.escape(name)}:|^\.PHONY:.*\b{re.escape(name)}\b"
    assert re.search(rule, (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("path", FILES)
def test_every_linked_file_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", VARIABLES)
def test_every_setting_exists(name):
    outside = {"FLAGPOST_BENCH_VIDEO", "FLAGPOST_CONFIG"}
    assert name in settings_names() | outside


def test_every_file_of_the_tree_exists():
    tree = README.split("## Where things are")[1].split("```")[1]
    above = {0: ROOT}
    for line in tree.strip("\n").splitlines():
        indent = len(line) - len(line.lstrip())
        words = line.split()
        names = words[
            : next((n for n, w in enumerate(words) if w[-1:] != "/" and ".py" not in w), 99)
        ]
        assert names, line
        for name in names:
            assert (above[indent] / name).exists(), f"{name} in {above[indent]}"
        above[indent + 2] = above[indent] / names[0]
