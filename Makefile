# make check  before every commit: lint, types, import order and the quick tests, in a minute and a half
# make test   everything that must hold: the same, and all tests
# make demo   the main job, small: ViZDoom episodes in, rollout GIFs out
# make figures  the figures that show rollouts, by the commands printed under them
# make gpu-check  on a machine with a GPU: the tests that need one, and how fast everything is there, as a table
# make release-check  sdist and wheel, each installed in bare environments, every command run there: an hour or two
# make stranger  a stranger's way: install the wheel, demo, own video, push to a hub, play on another machine
# make tables   the pages that are made from cards and code: docs/models.md, docs/messages.md
# make docs   guides and reference as pages: docs/_build/html/index.html
#
# Installed into .venv first. On Linux, PyTorch's usual build is the one for CUDA, several GB; a machine without a GPU
# does with a smaller one: make test TORCH_INDEX=URL, with the URL that https://pytorch.org/get-started shows for "CPU".

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
# A worker takes one file at a time, since tests of a file share what they make, the longest first; one thread each
# (tests/conftest.py).
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: check test lint demo figures tables gpu-check release-check stranger docs clean

check: lint
	$(PYTEST) -m "not slow"

test: lint
	$(PYTEST)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: .venv/installed
	$(BIN)/videovq demo

figures: .venv/installed
	$(BIN)/python docs/figures.py

gpu-check: .venv/installed
	$(BIN)/pytest -m gpu
	$(BIN)/python benchmarks/gpu_check.py

tables: .venv/installed
	$(BIN)/python docs/model_zoo.py
	$(BIN)/python docs/messages.py

docs: .venv/installed
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

# A part of it: make release-check PYTHON=.venv/bin/python RELEASE='--artefacts wheel --extras bare --borrow', see
# tests/release/check.py
release-check:
	$(PYTHON) tests/release/check.py $(RELEASE)

# From the wheel to a world that another machine takes from a hub and plays: make stranger RELEASE=--borrow
stranger: .venv/installed
	$(BIN)/python tests/release/stranger.py $(RELEASE)

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $$($(PYTHON) --version) is too old, videovq needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing videovq and what its tests need into .venv, once. PyTorch's build for CUDA makes most of it:" \
		"7.5 GB and some seven minutes on Linux. Without a GPU: make TORCH_INDEX=URL, see the Makefile's first lines."
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet torch torchvision --index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet --editable '.[dev,record]'
	touch $@

clean:
	rm -rf .venv demo
