# Two commands: `make quickstart` and `make test`. Each makes what it needs; later runs reuse it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
TOOLS := .venv-tools
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps
# every file that pip takes has a hash in these lists, which name all there is to install (scripts/lock.py)
PIP := $(BIN)/python $(INSTALL) --require-hashes -r

.PHONY: quickstart test soak lint docs bench audit licences lock

quickstart: $(VENV)/.installed
	$(BIN)/emovoz quickstart

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

# every case of the fault suite, of which `make test` tries a sample, and all that takes long; some hours
soak: $(VENV)/.installed-dev
	EMOVOZ_SOAK=1 EMOVOZ_TALLY=$(CURDIR)/soak.jsonl OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n $(WORKERS) $(PYTEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py $(CASES)

# whether a version that is installed has a known fault; asks the package index
audit: $(TOOLS)/.installed
	$(TOOLS)/bin/pip-audit --strict --disable-pip -r requirements/run.txt -r requirements/dev.txt -r requirements/tools.txt

# under which licence each package is, and which of them ask that what is built on them be free as well
licences: $(TOOLS)/.installed $(VENV)/.installed-dev
	$(BIN)/python scripts/licences.py $(TOOLS)/bin/pip-licenses

# constraints.txt changed: find the hashes of the new versions
lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python scripts/lock.py

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "emovoz needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml requirements/run.txt requirements/torch-cpu.txt requirements/torch.txt
	@echo "installing emovoz with its offline weights into $(VENV) (once, some minutes)"
	@# where there is a torch for processors alone that one, else the index's, which brings CUDA
	@$(PIP) requirements/torch-cpu.txt 2> /dev/null || $(PIP) requirements/torch.txt
	$(PIP) requirements/run.txt
	$(BIN)/python $(INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(PIP) requirements/dev.txt
	@touch $@

$(TOOLS)/.installed: requirements/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python $(INSTALL) --require-hashes -r requirements/tools.txt
	@touch $@
