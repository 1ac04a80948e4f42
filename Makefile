# make test   everything that must hold: lint, types, import order, tests
# make demo   the main job, small: ViZDoom episodes in, rollout GIFs out
# make lint   the quick part of make test
# make docs   guides and reference as pages: docs/_build/html/index.html

PYTHON ?= python3
BIN := .venv/bin

.PHONY: test lint demo docs clean

test: lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: .venv/installed
	$(BIN)/videovq demo

docs: .venv/installed
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: $$($(PYTHON) --version) is too old, videovq needs Python 3.10 or newer: make PYTHON=python3.12 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev,record]'
	touch $@

clean:
	rm -rf .venv demo
