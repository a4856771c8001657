# make demo and make test do all the set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_FLAGS ?=
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder # the order: tests/conftest.py

.DEFAULT_GOAL := help
.PHONY: help setup demo check test coverage lint smoke bench clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("error: Python %d.%d found, 3.11 or later needed; hint: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing the packages of requirements.txt into $(VENV) (a minute or more)'
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev ## create .venv and install everything, the developers' tools too

demo: $(VENV)/.runtime ## set up, mine bitext on the sample set with the embedded encoder, print the table
	$(BIN)/python bitext.py $(DEMO_FLAGS)
	$(BIN)/python script/aggregate/aggregate_bitext_mining.py --k 1

check: lint ## lint, and the tests that take a minute: all but those marked slow
	$(BIN)/python -m pytest $(WORKERS) -m 'not slow'

test: lint ## lint, and all tests
	$(BIN)/python -m pytest $(WORKERS)

coverage: $(VENV)/.dev ## all tests, and which lines they run
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(WORKERS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/.dev ## ruff (style, format) and mypy (types)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

smoke: $(VENV)/.runtime ## half a minute: five sources a pair with the lexical baseline
	$(BIN)/python bitext.py --model_checkpoint baseline/char_ngram --limit 5

bench: $(VENV)/.dev ## measure against peers; figures go to bench/results/
	$(BIN)/python bench/end_to_end.py

clean: ## remove .venv and the tools' caches; logs and the embedding cache stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
