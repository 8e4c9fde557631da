# Every target works from a clean clone: it first makes .venv with the versions pinned in constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
VENV := .venv/.stamp
BROWSER := .venv/.browser
SEARCH ?= search_spaces/mobilevit.yaml --trials 240 --workers 2 --out results/quickstart-$(shell date +%Y%m%d-%H%M%S)

.DEFAULT_GOAL := help
.PHONY: help search test fast soak check lint format types fix bench docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' Makefile

search: $(VENV) ## run the example search; SEARCH="..." gives other arguments
	$(BIN)/mvt-nas search $(SEARCH)

test: $(VENV) $(BROWSER) ## run all tests but the soak tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --durations=30 -m "not soak"

fast: $(VENV) ## run the quick tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not soak"

soak: $(VENV) $(BROWSER) ## run the tests that take minutes
	$(BIN)/python -m pytest -q --durations=30 -m "soak or hypothesis" --hypothesis-profile=soak

# Two pytest workers on two cores: more threads in each would only compete.
test fast: export OMP_NUM_THREADS := 1

check: lint format types ## run the linter, the format check and the type checker

lint: $(VENV)
	$(BIN)/ruff check --quiet

format: $(VENV)
	$(BIN)/ruff format --check --quiet

types: $(VENV)
	$(BIN)/mypy

fix: $(VENV) ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV) $(BROWSER) ## run the benchmarks
	$(BIN)/python -m benchmarks

docs: $(VENV) ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean: ## remove .venv, builds and caches, but no results
	rm -rf .venv build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first, on its own, so that the pinned build is there before anything can ask for another one.
$(VENV): pyproject.toml constraints.txt
	@echo "Making .venv (takes about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq -c constraints.txt torch
	@$(BIN)/python -m pip install -qq -c constraints.txt hatchling
	@$(BIN)/python -m pip install -qq -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

# The pages of reports are tested in a real Chromium; one that is on the machine is taken.
$(BROWSER): $(VENV) tests/support/browser.py
	@$(BIN)/python tests/support/browser.py > $@.new
	@mv $@.new $@
