"""Packages depend in one direction, workers stay small, and `--help` answers at once."""

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import engines
import schemas
import workers
from workers.cli import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "timm", "transformers", "training")
ALLOWED = {
    "schemas": {"schemas"},
    "engines": {"schemas", "engines"},
    "workers": {"schemas", "engines", "workers"},
    "training": {"schemas", "engines", "training"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """Names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import"
            yield node.module or ""


def modules(package) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return sorted(module.name for module in found)


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_before_it(package: str):
    for file in sources(package):
        own = {name.split(".")[0] for name in imported(file)} & set(ALLOWED)
        extra = own - ALLOWED[package]
        assert not extra, f"{file.relative_to(ROOT)} imports {extra}"


def test_contracts_import_pydantic_and_nothing_else():
    allowed = set(sys.stdlib_module_names) | {"pydantic", "schemas"}
    for file in sources("schemas"):
        extra = {name.split(".")[0] for name in imported(file)} - allowed
        assert not extra, f"{file.name} imports {extra}"


def test_no_worker_loads_training_or_its_libraries():
    """All modules in one process: what one of them loads, the process has."""
    names = [*modules(schemas), *modules(engines), *modules(workers)]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    assert in_new_process(code).strip() == "[]"


def test_only_the_settings_read_the_environment():
    """Handing the whole environment on to a child process is not reading it."""
    for file in sources("workers"):
        if file == ROOT / "workers" / "settings.py":
            continue
        assert "os.getenv" not in file.read_text(), file


def test_help_imports_no_command():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from workers.cli import flagpost\n"
        "answer = CliRunner().invoke(flagpost, ['--help'])\n"
        "assert answer.exit_code == 0, answer.output\n"
        "heavy = {'kafka', 'redis', 'av', 'numpy', 'openvino', 'onnxruntime', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert in_new_process(code).strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(command: str):
    code = (
        "from click.testing import CliRunner\n"
        "from workers.cli import flagpost\n"
        f"answer = CliRunner().invoke(flagpost, [{command!r}, '--help'])\n"
        "assert answer.exit_code == 0, answer.output\n"
        "print(answer.output)"
    )
    assert "Example" in in_new_process(code)
