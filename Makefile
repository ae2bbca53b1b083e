# make demo, make test and the rest build .venv from requirements.lock where it is missing or outdated.
PYTHON ?= python3
BIN := .venv/bin

# Several processes share the cores: more threads than one each are slower, not faster.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1

.PHONY: setup demo check test data bench
.DELETE_ON_ERROR:

setup: .venv/.stamp

.venv/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1); allowed is Python 3.11 or newer;" \
	    "name one: make PYTHON=/path/to/python3.11 setup" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/python scripts/demo.py --run runs/demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python scripts/bench/tables.py --check
	$(BIN)/pytest -n 2 -m "not slow"

test: setup
	$(BIN)/pytest -n 2

data: setup
	$(BIN)/python scripts/data.py

bench: setup data
	$(BIN)/python scripts/bench/speed.py
	$(BIN)/python scripts/bench/demo.py
	$(BIN)/python scripts/bench/control.py
	$(BIN)/python scripts/bench/image_pretext.py
	$(BIN)/python scripts/bench/video_pretext.py
	$(BIN)/python scripts/compare.py --seeds 0 1 2
