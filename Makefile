# Two commands: `make demo` and `make test`. Both need only python3 with venv, and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find mailkit bin man -type f -not -name '*.pyc' 2>/dev/null) setup.cfg pyproject.toml

.PHONY: demo test check pure bench clean

# A complete mail system under ./demo, shown at work; ONCE=1 stops when the message has arrived.
demo: $(VENV)/installed
	$(BIN)/python contrib/demo $(if $(ONCE),--once)

# Everything: lint, types, all tests (MAILKIT_ALL_TESTS=1: a missing program is a failure).
test: check
	$(BIN)/python -m pytest -n 3 --dist loadfile -q $(ARGS)

check: $(VENV)/installed-test
	$(BIN)/ruff check mailkit tests contrib
	$(BIN)/mypy

# The tests that need no process and no socket: seconds.
pure: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 3 --dist loadfile -q --ignore tests/neighbours --ignore tests/programs --ignore tests/tree

# Ours beside the peers, as ratios: contrib/bench/RESULTS.md says what was measured where.
bench: $(VENV)/installed
	PATH="$(abspath $(BIN)):$$PATH" contrib/bench/run $(PARTS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[test]'
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
