# Each target sets up what it needs: a virtual environment in .venv with the pinned versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CPU := 2
.PHONY: demo test check slow bench mutation results docs clean format

demo: $(VENV)/.user
	$(BIN)/fewlabels demo

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CPU)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) test

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

slow: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/digits.py

# Mistakes put into the package, to see the tests notice them: some hours, and what is done is kept in .mutation.
mutation: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt mutmut
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutation.py

# Redraws the tables and figures of the docs from the measured rows in benchmarks/results; each script without --docs
# measures what is missing there first.
results: $(VENV)/.dev
	$(BIN)/python benchmarks/classical.py --docs
	$(BIN)/python benchmarks/methods.py --docs
	$(BIN)/python benchmarks/cifar10.py --docs
	$(BIN)/python benchmarks/audit_null.py --docs
	$(BIN)/python benchmarks/gate.py --docs
	$(BIN)/python benchmarks/monitors.py --docs
	$(BIN)/python benchmarks/anomalies.py --docs
	$(BIN)/python benchmarks/cora.py --docs
	$(BIN)/python benchmarks/shift.py --docs
	$(BIN)/python benchmarks/summary.py
	$(BIN)/python benchmarks/two_moons.py

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fewlabels needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.user

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .mutation docs/_build fewlabels-demo .pytest_cache .mypy_cache .ruff_cache
