# Each of these sets up everything on a fresh machine: make demo, make check (two minutes), make test (all but trainings).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Lint beside the tests, and beside the docs.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=2
endif

.PHONY: demo check quick test unhurried trainings lint docs roms clean

demo: $(READY)
	$(BIN)/hocket demo

# Empty is unset: the processes that tests start would compile all modules anew.
export PYTHONDONTWRITEBYTECODE :=

# Tests in parallel; a worker that runs out of tests takes some of another.
PARALLEL := --numprocesses auto --dist worksteal

check: lint quick

quick: $(READY)
	$(BIN)/pytest $(PARALLEL) -m 'not realtime and not slow and not training'

# The files that may have such tests.
REALTIME := $(sort $(shell grep -rl --include 'test_*.py' realtime tests))
ALONE := $(sort $(shell grep -rl --include 'test_*.py' mark.alone tests))

# Realtime tests mostly wait, so three run at once; all else runs meanwhile, at a lower priority. Those that compare times
# come last, one by one. All run even if some have failed.
test: $(READY)
	@log=$$(mktemp); others=0; realtime=0; alone=0; \
	$(BIN)/pytest --numprocesses 3 --dist worksteal --durations=10 -m 'realtime and not alone' $(REALTIME) >$$log 2>&1 & \
	nice -n 10 $(MAKE) --keep-going lint docs unhurried || others=$$?; \
	wait $$! || realtime=$$?; \
	cat $$log; rm $$log; \
	$(BIN)/pytest --durations=10 -m 'realtime and alone' $(ALONE) || alone=$$?; \
	echo "exit codes: lint, docs and not realtime $$others, realtime $$realtime, alone $$alone"; \
	test $$others -eq 0 -a $$realtime -eq 0 -a $$alone -eq 0

# All tests but the realtime ones and trainings.
unhurried: $(READY)
	$(BIN)/pytest $(PARALLEL) --durations=10 -m 'not realtime and not training'

# Documented trainings reach the documented returns, and published experiments can be repeated: some minutes.
trainings: $(READY)
	$(BIN)/pytest $(PARALLEL) -m training

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, into site/index.html; fails on a broken link, or on a page that would fetch something from elsewhere.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# The Game Boy games, from their sources (the binaries are committed: only who changes a game needs this, and sdcc).
roms:
	$(MAKE) -C roms

# openpi-client, which some tests need, asks for an older NumPy than its client uses.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hocket needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps openpi-client
	touch $@

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
