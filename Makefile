# Each of these sets up everything on a fresh machine: make demo, make check (90 seconds), make test (all there is).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo check test lint roms clean

demo: $(READY)
	$(BIN)/hocket demo

# Beside each other: pytest's workers, which take new tests as they run out of them.
BESIDE := --numprocesses auto --dist worksteal

check: lint
	$(BIN)/pytest $(BESIDE) -m 'not realtime and not slow'

# Both halves run, whatever becomes of the first.
test: lint
	@beside=0; alone=0; \
	$(BIN)/pytest $(BESIDE) -m 'not realtime' || beside=$$?; \
	$(BIN)/pytest -m realtime || alone=$$?; \
	echo "exit codes of pytest: not realtime $$beside, realtime $$alone"; \
	test $$beside -eq 0 -a $$alone -eq 0

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The Game Boy games, from their sources (the binaries are committed: only who changes a game needs this, and sdcc).
roms:
	$(MAKE) -C roms

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hocket needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
