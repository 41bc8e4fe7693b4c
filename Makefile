# Everything below runs in $(VENV), which is made from a plain Python and pip on first use
# and brought up to date when pyproject.toml or the C code changes. Choose another Python like this:
#
#     make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV   ?= .venv
DIST   ?= dist
ARGS   ?=

# One test process a core; PARALLEL= for one alone, as a debugger wants it.
PARALLEL ?= -n auto --dist worksteal

# The foreign servers of `make judges` live outside the checkout and outside $(VENV).
JUDGES  ?= $(or $(TMPDIR),/tmp)/reconciler-judges
OPENAPI ?=
MISTRAL ?=
PYTHON_OGX ?= python3.12

BIN := $(VENV)/bin
PIP := PIP_REQUIRE_VIRTUALENV=1 $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DEFAULT_GOAL := help
.PHONY: help demo test test-all judges proof fuzz check lint format format-check types contracts coverage bench native build clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed  ## a whole run in a temporary workspace, no key needed
	@$(BIN)/reconcile demo $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests (ARGS='-k name' narrows them)
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-all: $(VENV)/.installed-dev  ## run the tests, sampled suites in full
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not judges_node and not judges_ogx' $(ARGS)

judges: $(VENV)/.installed-dev $(JUDGES)/.node $(JUDGES)/.ogx  ## foreign servers judge clients and fake: OPENAPI=... MISTRAL=... (docs/judges.md)
	@test -f '$(OPENAPI)' -a -f '$(MISTRAL)' || { \
	    echo 'Name the published descriptions: make judges OPENAPI=openai.yaml MISTRAL=mistral.yaml' >&2; exit 1; }
	@OPENAI_OPENAPI='$(OPENAPI)' MISTRAL_OPENAPI='$(MISTRAL)' JUDGES_DIR='$(JUDGES)' \
	    $(BIN)/python -m pytest -m 'judges_node or judges_ogx' tests/judging $(ARGS)

proof: $(VENV)/.installed-fuzz  ## the proofs in full, figures into docs/guarantees.md (ARGS='power seeds' for some)
	@$(BIN)/python -m tests.proof $(ARGS)

fuzz: $(VENV)/.installed-fuzz  ## damaged documents for every reader (ARGS='lines --runs 1000000'; --help tells more)
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: lint format-check types contracts test  ## everything that must be clean before a commit

lint: $(VENV)/.installed-dev  ## ruff check
	@$(BIN)/ruff check --quiet .

format: $(VENV)/.installed-dev  ## rewrite the files in the house format
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format .

format-check: $(VENV)/.installed-dev  ## ruff format, changing nothing
	@$(BIN)/ruff format --quiet --diff .

types: $(VENV)/.installed-dev  ## mypy, strict
	@$(BIN)/mypy

contracts: $(VENV)/.installed-dev  ## the floors: who may import whom
	@$(BIN)/lint-imports

coverage: $(VENV)/.installed-dev  ## run the tests; fails when one leaves out a branch of what decides, acts or verifies
	@$(BIN)/python -m tests.proof.branches $(ARGS)

bench: $(VENV)/.installed-dev  ## measure against baselines (ARGS='scan --scale 1'; see bench/)
	@$(BIN)/python -m bench $(ARGS)

native: $(VENV)/.installed-dev  ## compile the C code once more, beside its source, and say what is wrong with it
	@RECONCILER_NATIVE=1 $(BIN)/python hatch_build.py

build: $(VENV)/.installed-dev  ## sdist, and the wheel made from it, into dist/
	@rm -f "$(DIST)"/reconciler-*.whl "$(DIST)"/reconciler-*.tar.gz
	@$(BIN)/python -m build --no-isolation --outdir "$(DIST)" .

clean:  ## remove what these commands made
	rm -rf .venv dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -f reconciler/native/*.so

# The package alone is enough for the demo; the tests add the tools to the same environment.
$(VENV)/.installed: pyproject.toml hatch_build.py $(wildcard reconciler/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'reconciler needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; \
	    exit 1; }
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' >/dev/null 2>&1 || { \
	    echo 'Making $(VENV) ...' >&2; \
	    $(PYTHON) -m venv '$(VENV)'; }
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo 'Installing the development tools into $(VENV) ...' >&2
	@$(PIP) install --editable '.[dev]'
	@touch $@

# Where atheris has no wheel, it is not asked for, and `make fuzz ARGS=--blind` does without it.
$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	@$(PIP) install --editable '.[fuzz]'
	@touch $@

$(JUDGES)/.node:
	@mkdir -p '$(JUDGES)'
	@echo 'Installing Prism and aimock into $(JUDGES) ...' >&2
	@npm install --silent --no-fund --no-audit --prefix '$(JUDGES)' @stoplight/prism-cli@5.14.2 @copilotkit/aimock@1.43.0
	@touch $@

# OGX wants Python 3.12 or newer.
$(JUDGES)/.ogx:
	@mkdir -p '$(JUDGES)'
	@echo 'Installing OGX into $(JUDGES) ...' >&2
	@$(PYTHON_OGX) -m venv '$(JUDGES)/ogx'
	@PIP_REQUIRE_VIRTUALENV=1 '$(JUDGES)/ogx/bin/python' -m pip install --quiet --quiet --disable-pip-version-check ogx==1.5.0
	@touch $@
