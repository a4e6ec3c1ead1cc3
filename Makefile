# What one does while working on the service; `make` alone lists it. Needs make and python3-venv.
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Where this is set, each of the many processes that tests start compiles the service anew.
unexport PYTHONDONTWRITEBYTECODE
# What `make bench` is to measure, and how: ARGS="--quick --only bare".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup test fast lint bench ci hooks

help: ## list what there is
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 14

setup: $(INSTALLED) ## make the environment, or bring it up to date

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(BIN)/pip install -qc constraints.txt -e '.[test,e2e,bench,lint]'
	touch $@

test: $(INSTALLED) ## run all tests
	$(BIN)/pytest

fast: $(INSTALLED) ## run what one runs while writing: no whole services, no faults, no benchmarks
	$(BIN)/pytest -m 'not (e2e or faults or benchmarks or postgres or slow)'

lint: $(INSTALLED) ## check style, types and layers, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	# Each folder of tests by itself: their conftest.py and helpers are modules of the same name.
	set -e; for folder in tests/[!_]*/; do $(BIN)/mypy "$$folder"; done
	$(BIN)/mypy tests/*.py
	$(BIN)/lint-imports

bench: $(INSTALLED) ## measure the service beside what else one might run
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

ci: ## do what CI does, in an environment of its own
	bash .ci/run

hooks: $(INSTALLED) ## have git check each commit and its message
	$(BIN)/pre-commit install
