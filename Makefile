# The commands of Linkmill's source tree. Each makes .venv by itself when it is missing or the lock has changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check format compile bench flame torture audit clean lock

BIN := .venv/bin
INSTALLED := .venv/installed
CONFIG ?=
ARGS ?=

# The first Python that is new enough and can make environments; `make PYTHON=/path/to/python` names another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: $(INSTALLED) ## Crawl the bundled virtual web and query it; CONFIG=my.toml crawls your own
ifeq ($(CONFIG),)
	@$(BIN)/python -m bench.demo
else
	$(BIN)/linkmill crawl "$(CONFIG)"
	$(BIN)/linkmill index "$(CONFIG)"
endif

test: $(INSTALLED) ## Run all tests; ARGS="-k robots -x" is handed to pytest
	$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED) ## Lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

compile: $(INSTALLED) ## Compile the crawler's core: a third less CPU a page (needs a C compiler; two or three minutes)
	LINKMILL_COMPILE=1 $(BIN)/python setup.py --quiet build_ext --inplace
	@find crawler storage -name '*.so' -type f -exec touch {} +  # those of modules that share a library are not written again

bench: $(INSTALLED) ## Measure what matters most in under five minutes; ARGS="crawl --tls" measures one thing in full
	$(BIN)/python -m bench $(ARGS)

flame: $(INSTALLED) ## Draw where a crawl's time goes into flame.svg (needs the network once); ARGS="--profile 130 --gzip"
	@test -x $(BIN)/py-spy || $(BIN)/python -m pip install --quiet --disable-pip-version-check "py-spy>=0.4.1"
	$(BIN)/python -m bench.flame --py-spy $(BIN)/py-spy $(ARGS)

torture: $(INSTALLED) ## Kill, starve and attack the crawler in full and print what holds (long)
	$(BIN)/python -m bench.torture $(ARGS)

audit: $(INSTALLED) ## Look the locked dependencies up in the advisory database (needs the network)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.9"
	$(BIN)/pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict

clean: ## Remove the environment, caches, builds and compiled modules; crawled data stays
	rm -rf .venv .bench-cache flame.svg build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find bench config crawler storage tests -name __pycache__ -type d -prune -exec rm -rf {} +
	find crawler storage -name '*.so' -type f -exec rm -f {} +

lock: $(INSTALLED) ## Resolve the newest dependencies into the two lock files
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

# Names, versions and hashes only, for every Python and system that pyproject.toml supports.
LOCK_OPTIONS := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

$(INSTALLED): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "linkmill: no Python >= 3.11 with its venv module found;" \
		"install one (on Debian: python3 and python3-venv) or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
