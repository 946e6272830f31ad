# `make demo` and `make test` do everything that a fresh checkout needs, including the installation. A second run is
# fast: every step leaves a stamp file and runs again only when its inputs change.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# One shell for all lines of a recipe, so that it can report their total time.
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python

TORCH := $(VENV)/.torch-installed
PACKAGE := $(VENV)/.package-installed
NODE := node_modules/.installed
BUNDLES := ncut_widgets/static/.built
CHROMIUM := $(VENV)/.chromium-found
INCUMBENT := $(VENV)/.incumbent-installed

JS_SOURCES := js/build.mjs js/tsconfig.json $(shell find js/src -type f -not -name '*.test.*' 2>/dev/null)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
say = printf '\n==> %s\n'
took = printf '    %d s\n' $$SECONDS

.PHONY: help demo test lab build check lint types imports test-js test-py fuzz docs bench watch constraints clean distclean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- for users -------------------------------------------------------------------------------------------------------

demo: $(PACKAGE) $(BUNDLES) ## install, build, and write demo/explorer.html from the sample photographs
	@$(say) "Running explore() on the sample photographs"
	@$(PY) -m ncut_widgets demo --output demo/explorer.html
	@printf '\nOpen demo/explorer.html in a browser, or run `make lab` for the notebook.\n'

build: $(BUNDLES) ## build the front end, which widgets in a checkout need

lab: $(PACKAGE) $(BUNDLES) ## open the notebooks in JupyterLab
	@# Our package.json declares ES modules, but JupyterLab's scripts below .venv are not. Containers often run as root.
	@echo '{}' > $(VENV)/package.json
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

# ---- for contributors -----------------------------------------------------------------------------------------------

test: lint types imports test-js test-py ## install, build, and run every check and every test

check: lint types imports ## run only the linters and type checkers

lint: $(PACKAGE)
	@$(say) "ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(PACKAGE) $(NODE)
	@$(say) "mypy, tsc"
	@$(BIN)/mypy
	@npm run --silent typecheck

imports: $(PACKAGE)
	@$(say) "import-linter"
	@$(BIN)/lint-imports --no-logo

test-js: $(NODE)
	@$(say) "vitest"
	@npm run --silent test

test-py: $(PACKAGE) $(BUNDLES) $(CHROMIUM)
	@$(say) "pytest"
	@# One process per CPU with one OpenMP thread each: more threads than CPUs would wait for each other.
	@# In the order of the folders, because tests/browser and tests/notebooks take longest; see tests/conftest.py.
	@OMP_NUM_THREADS=1 NCUT_CHROMIUM="$$(cat $(CHROMIUM))" \
	  $(PY) -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

fuzz: $(PACKAGE) ## run the fuzz tests with many random examples; EXAMPLES=50000 sets how many (10000)
	@NCUT_FUZZ_EXAMPLES=$(or $(EXAMPLES),10000) $(PY) -m pytest tests/fuzz

docs: $(PACKAGE) ## check the links in the documentation and run the examples in all docstrings
	@$(PY) -m pytest tests/unit/test_docs.py ncut_widgets

bench: $(PACKAGE) $(BUNDLES) $(INCUMBENT) ## run the benchmarks; DATA=folder also runs those that need data
	@for benchmark in benchmarks/[!_]*.py; do \
	  $(say) "$$benchmark"; \
	  if ! $(PY) "$$benchmark" --help | grep '^  folder' >/dev/null; then $(PY) "$$benchmark"; \
	  elif [ -n "$(DATA)" ]; then $(PY) "$$benchmark" "$(DATA)"; \
	  else echo "Skipped: it needs data that is not in the repository. Run make bench DATA=/path/to/data."; fi; \
	done

watch: $(NODE) ## rebuild the front end on every change
	@npm run --silent watch

constraints: $(VENV)/pyvenv.cfg ## resolve the tested versions of all Python dependencies again
	@$(say) "Resolving constraints.txt"
	@$(PY) -m pip install --quiet uv
	@{ printf '# The versions that the tests run with, for Python 3.10 and newer. Written by `make constraints`.\n'; \
	   $(PY) -m uv pip compile pyproject.toml --quiet --universal --python-version 3.10 --all-extras --upgrade \
	     --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	   | grep -vE '^(cuda-|nvidia-|triton)'; } > constraints.tmp
	@mv constraints.tmp constraints.txt

clean: ## remove build outputs and caches; keep .venv and node_modules
	@rm -rf ncut_widgets/static demo dist test-results .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find ncut_widgets tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## also remove .venv and node_modules
	@rm -rf $(VENV) node_modules

# ---- steps ----------------------------------------------------------------------------------------------------------

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.10 or newer, or pass PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is required; $(PYTHON) is $$($(PYTHON) -V). Pass PYTHON=/path/to/a/newer/python3."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot create virtual environments. Install its venv module (Debian, Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(say) "Creating $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV)
	@$(took)

# Install torch first and separately, so that later steps find it and do not ask for another build.
$(TORCH): constraints.txt | $(VENV)/pyvenv.cfg
	@$(say) "Installing PyTorch (a few minutes the first time)"
	@$(PY) -m pip install -qq --constraint constraints.txt torch
	@$(took)
	@touch $@

$(PACKAGE): pyproject.toml constraints.txt $(TORCH)
	@$(say) "Installing ncut_widgets and its dependencies (a few minutes the first time)"
	@$(PY) -m pip install -qq --constraint constraints.txt --editable '.[backbones,dev]'
	@$(took)
	@touch $@

# Only the benchmarks need this.
$(INCUMBENT): $(PACKAGE)
	@$(say) "Installing ncut-pytorch for comparison"
	@$(PY) -m pip install -qq --constraint constraints.txt ncut-pytorch==3.2.0
	@$(took)
	@touch $@

$(NODE): package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "npm was not found. Install Node 20 or newer: https://nodejs.org"; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || \
	  { echo "Node 20 or newer is required; this is $$(node --version)."; exit 1; }
	@$(say) "Installing the front end's dependencies"
	@npm ci --loglevel=error
	@$(took)
	@touch $@

$(BUNDLES): $(JS_SOURCES) $(NODE)
	@$(say) "Building the front end"
	@npm run --silent build
	@$(took)

# Search on every run (it takes no time), because the browser may have been removed.
.PHONY: $(CHROMIUM)
$(CHROMIUM): $(PACKAGE)
	@$(PY) tests/browser/chromium.py > $@
