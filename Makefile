# Two commands: `make demo` and `make test`. Each sets up what it needs.
#   make demo ARGS='--duration 300 --json'    make demo SOURCE=my.mp4    make test ARGS='-k queue'

PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test bench lint types lock

demo: .venv
	@.venv/bin/flagpost demo $(if $(SOURCE),--source "$(SOURCE)") $(ARGS)

test: .venv/dev
	.venv/bin/python -m pytest $(ARGS)

bench: .venv/dev
	.venv/bin/python -m pytest -m bench -s tests/benchmarks $(ARGS)

lint: .venv/dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .

types: .venv/dev
	.venv/bin/mypy

.venv: docker/requirements.txt pyproject.toml
	@echo "Installing Flagpost into .venv (a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flagpost needs Python 3.11 or newer; run make with PYTHON=python3.11")'
	@$(PYTHON) -m venv .venv
	@$(PIP) -r docker/requirements.txt
	@$(PIP) --no-deps --editable .
	@touch .venv

.venv/dev: docker/requirements-dev.txt | .venv
	@echo "Installing what tests need"
	@$(PIP) -r docker/requirements-dev.txt
	@touch .venv/dev

# Training and its tests need torch; nothing else does.
.venv/training: docker/requirements-training.txt | .venv/dev
	@echo "Installing torch (6 GB)"
	@$(PIP) -r docker/requirements-training.txt
	@touch .venv/training

# Pins anew; needs uv.
LOCK = uv pip compile --quiet pyproject.toml --no-annotate --no-header --no-emit-index-url \
	--no-emit-find-links --python-version 3.11 --extra demo --extra plot --extra librdkafka
lock:
	$(LOCK) --output-file docker/requirements.txt
	$(LOCK) --extra dev --constraint docker/requirements.txt --output-file docker/requirements-dev.txt
