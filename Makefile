# Everything here needs Python 3.11 or newer with pip, and nothing else.
#
#   make demo       redeem the example people against the local stand-in: no key, no credits
#   make webapp     a web page to redeem contacts with, on the local stand-in (PORT=8000)
#   make test       the tests
#   make coverage   the tests once more, and which lines they leave out: takes twice as long
#   make check      tests, lint, types and contracts
#   make simulate   ten thousand made-up disasters (SEEDS=10000), each replayed by its number
#   make bench      measure everything again: benchmarks/results, docs/performance.md, plots in build/
#   make docs       write the API reference in docs/api from the docstrings, draw the rooms
#   make site       build the documentation as a site in build/site, strictly
#   make dist       build sdist and wheel, and try them in empty environments of each Python there is
#
# Each sets up .venv the first time; later calls only look at a stamp file.

SHELL := /bin/bash
VENV  := .venv
RUN   := $(VENV)/bin

# Asked for its version and not only for its name: a shim may stand for nothing.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

DEMO_IN  := examples/people.csv
DEMO_OUT := build/people.redeemed.csv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo webapp test coverage lint types contracts check simulate bench docs site dist clean

help:
	@sed -n 's/^#   //p' Makefile

# Where ensurepip is missing, the pip beside the interpreter fills the environment.
$(RUN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV) && \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(RUN)/python install --quiet pip; }

$(VENV)/.stamp-demo: pyproject.toml | $(RUN)/python
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli]'
	@touch $@

# What each process of the tests loads is compiled here, once and on all cores, and not by each of
# them at its start. The rest is most of it, and pip would compile that too, on one core.
COMPILED := _pytest aiohttp anyio click coverage faker fastapi griffe hypothesis numpy opentelemetry \
	playwright polyfactory procrastinate psycopg psycopg_pool pydantic rich starlette typer

$(VENV)/.stamp-dev: pyproject.toml | $(RUN)/python
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[all,dev]'
	@cd $$($(RUN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
		$(CURDIR)/$(RUN)/python -m compileall -qq -j 0 -x '/(tests?|providers|testing)/' $(COMPILED) || true
	@touch $@ $(VENV)/.stamp-demo $(VENV)/.stamp-examples

define SHOW
import collections, csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8")))
shown = [list(rows[0])] + [list(row.values()) for row in rows[:8]]
widths = [min(24, max(map(len, column))) for column in zip(*shown)]
cut = lambda text, width: text if len(text) <= width else text[: width - 1] + "…"
print(f"\n{sys.argv[1]}, the first {len(shown) - 1} of {len(rows)} rows:\n")
for line in shown:
    print("  ".join(cut(text, width).ljust(width) for text, width in zip(line, widths)).rstrip())
print("\nstatus counts:")
for status, count in collections.Counter(row["status"] for row in rows).most_common():
    print(f"  {status:<10} {count:>6}")
endef
export SHOW

demo: $(VENV)/.stamp-demo
	@mkdir -p build
	@rm -f $(DEMO_OUT) $(DEMO_OUT).journal*
	$(RUN)/pubrio-async redeem $(DEMO_IN) -o $(DEMO_OUT) --types email-work,phone --sandbox
	@$(RUN)/python -c "$$SHOW" $(DEMO_OUT)

PORT ?= 8000

$(VENV)/.stamp-examples: pyproject.toml | $(RUN)/python
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli,examples]'
	@touch $@ $(VENV)/.stamp-demo

webapp: $(VENV)/.stamp-examples
	$(RUN)/python -m examples.webapp --sandbox --port $(PORT)

# Hundreds of processes are started: what Python compiles is kept, whatever the environment says.
PYTEST := PYTHONDONTWRITEBYTECODE= $(RUN)/python -m pytest -n auto --dist worksteal

test: $(VENV)/.stamp-dev
	@$(RUN)/python -m compileall -qq -j 0 pubrio_async
	$(PYTEST)

coverage: $(VENV)/.stamp-dev
	$(PYTEST) --cov

lint: $(VENV)/.stamp-dev
	$(RUN)/ruff check
	$(RUN)/ruff format --check

types: $(VENV)/.stamp-dev
	$(RUN)/mypy --strict
	PATH="$(CURDIR)/$(RUN):$$PATH" pyright
	PATH="$(CURDIR)/$(RUN):$$PATH" pyright --verifytypes pubrio_async --ignoreexternal

contracts: $(VENV)/.stamp-dev
	$(RUN)/lint-imports

check: test lint types contracts

SEEDS ?= 10000

simulate: $(VENV)/.stamp-dev
	$(RUN)/python -m tests.simulation --seeds $(SEEDS)

# NAMES="decode http" measures only these, QUICK=--quick is a smoke test that keeps nothing.
NAMES ?=
QUICK ?=

$(VENV)/.stamp-bench: pyproject.toml | $(RUN)/python
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,bench]'
	@touch $@ $(VENV)/.stamp-demo

bench: $(VENV)/.stamp-bench
	@mkdir -p build
	$(RUN)/python -m benchmarks $(NAMES) --html build/benchmarks.html $(if $(QUICK),$(QUICK),--save)
	$(if $(QUICK),,$(RUN)/python -m benchmarks --docs)

docs: $(VENV)/.stamp-dev
	$(RUN)/python docs/generate.py
	$(RUN)/python docs/rooms.py

# On the PATH for ruff, which formats the signatures.
site: docs
	PATH="$(CURDIR)/$(RUN):$$PATH" zensical build --strict --clean --config-file mkdocs.yml

# PYTHONS="python3.12" tries only this one.
PYTHONS ?=

dist: $(VENV)/.stamp-dev
	$(RUN)/python -m tests.packaging.dist $(PYTHONS)

clean:
	rm -rf $(VENV) build dist .cache .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
