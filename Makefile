# make setup | run | test | test-fast | check | faults | mutants   (PYTHON=python3.12 make setup chooses another interpreter)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The stamp is named after what was asked for, and touched last: an interrupted set-up repeats,
# a finished one is not repeated, a changed constraint is installed.
STAMP  := $(VENV)/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
# Two test processes with one thread each; a process that runs dry takes over half of the other's rest.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: setup run test test-fast check picture example clean track bench-noise bench-overhead mutants faults

setup: $(STAMP)

# Compiled is what a run and the tests import: all that is installed would take half a minute more, and where
# PYTHONDONTWRITEBYTECODE is set every process would compile torch anew.
USED := torch, torch._dynamo, fvcore.nn, scipy.stats, pandas, jinja2, bench.api, bench.report
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "csr-bench needs Python 3.11 or newer; set PYTHON=… to one" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -W ignore -c 'import $(USED)'
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/bench count efficientnet_b0 filter_l1 ratio=0.5 >/dev/null
	@touch $@

run: setup
	$(BIN)/bench run suites/cifar.yaml

test: setup
	$(PYTEST)

# Without what takes long or needs a browser: for while you work.
test-fast: setup
	$(PYTEST) -m "not slow and not browser"

check: setup
	$(BIN)/ruff check bench tests docs
	$(BIN)/ruff format --check bench tests docs
	$(BIN)/mypy --strict bench tests docs
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# Draws the rooms and their arrows into docs/architecture.md.
picture: setup
	$(BIN)/python docs/draw_rooms.py

# The page that ships with the documents, and its picture in the README (chromium draws it).
example: setup
	$(BIN)/bench report results/reference/*.jsonl -o docs/example-report.html
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1150 \
	  --virtual-time-budget=5000 --screenshot=docs/page.png file://$(CURDIR)/docs/example-report.html

clean:
	rm -rf $(VENV) build *.egg-info

# Tracks the commit that is checked out with asv, and writes reports/asv. A description of this machine that is
# there stays: its name, os, processor and memory are part of every line that asv draws.
track: setup
	@test -e "$$HOME/.asv-machine.json" || $(BIN)/asv machine --yes
	$(BIN)/asv run 'HEAD^!'
	$(BIN)/asv publish

# How often the verdicts are wrong about equal arms, beside other protocols (up to 20 minutes, a quiet host).
bench-noise: setup
	$(BIN)/python tests/benchmarks/noise.py
	$(BIN)/python tests/benchmarks/bias.py
	$(BIN)/python tests/benchmarks/stopping.py

# The harness's own cost per trial, and of planning.
bench-overhead: setup
	$(BIN)/python tests/benchmarks/overhead.py

# What a run survives: kills, full disks, workers that misbehave, odd input; counted (up to 20 minutes).
faults: setup
	$(BIN)/python tests/faults

# How many small changes of the counts, the statistics and the operator a test notices (up to 20 minutes).
mutants: setup
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	$(BIN)/python tests/benchmarks/mutants.py
