# make setup | run | test | check   (PYTHON=python3.12 make setup chooses another interpreter)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The stamp is named after what was asked for, and touched last: an interrupted set-up repeats,
# a finished one is not repeated, a changed constraint is installed.
STAMP  := $(VENV)/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

.PHONY: setup run test check clean track bench-noise bench-overhead

setup: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "csr-bench needs Python 3.11 or newer; set PYTHON=… to one" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: setup
	$(BIN)/bench run suites/cifar.yaml

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check bench tests
	$(BIN)/ruff format --check bench tests
	$(BIN)/mypy --strict bench

clean:
	rm -rf $(VENV) build *.egg-info

# Tracks the commit that is checked out with asv, and writes reports/asv.
track: setup
	$(BIN)/asv machine --yes
	$(BIN)/asv run 'HEAD^!'
	$(BIN)/asv publish

# How often the verdicts are wrong about equal arms, beside other protocols (up to 20 minutes, a quiet host).
bench-noise: setup
	$(BIN)/python tests/benchmarks/noise.py

# The harness's own cost per trial, and of planning.
bench-overhead: setup
	$(BIN)/python tests/benchmarks/overhead.py
