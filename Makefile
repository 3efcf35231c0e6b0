# What a newcomer types. Everything lands in .venv, .starter and out beside this file; nothing outside is touched.
PYTHON ?= python3
BIN := .venv/bin
STARTER := smollm2-135m-instruct
EMBEDDER := multilingual-e5-small
export ARGOSY_MODELS_PATH ?= $(CURDIR)/.starter/models

.PHONY: setup demo test up check format bench lock migration clean

setup: .venv/.ready  ## virtual environment, locked dependencies, starter models

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Argosy needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "The venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/argosy pull $(STARTER) --home .starter
	$(BIN)/argosy pull $(EMBEDDER) --home .starter
	$(BIN)/argosy fit $(STARTER) --home .starter
	@touch $@

demo: setup  ## the main job: 100 examples to a deployed, measured, billed model
	$(BIN)/argosy demo

test: setup  ## all tests, the real engine and a real fine-tune among them
	$(BIN)/python -m pytest --reruns 1 --reruns-delay 2 -r fER

up: setup  ## run the platform until Ctrl-C
	$(BIN)/argosy up --deploy $(STARTER)

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format src tests bench tools
	$(BIN)/ruff check --fix src tests bench tools

bench: setup  ## measure every figure again and write docs/benchmarks.md (two to four hours on two quiet cores)
	$(BIN)/python -m bench

lock:  ## write requirements.lock from what is installed
	@(echo "# Every version that 'make setup' installs. Made by 'make lock'; torch is installed first, alone (see Makefile)."; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//') > requirements.lock

migration: setup  ## NAME="what changed": write the step from the newest revision to the tables as they are in code
	$(BIN)/python -m tools.migration "$(NAME)"

clean:
	rm -rf .venv .starter out
