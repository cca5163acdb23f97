# make run    a gateway with a small simulated fleet        make test   everything that is tested
# make help   the rest

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= data
DEMO   ?= 20
# pytest-xdist workers; the tests start servers of their own, so two is enough for two cores.
JOBS   ?= 2
ARGS   ?=
# Seconds of fuzzing for each parser entry, entries at the same time, and which (all when empty).
FUZZ_SECONDS ?= 60
FUZZ_JOBS    ?= 1
ENTRY        ?=

# Pinned versions only, with hashes; the package index is the one pip is set up with. The extras stay in the locks: without them an
# older pip takes the newest version of `coverage[toml]` first and then refuses it for its missing hash.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE_LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
    --no-emit-index-url --no-annotate --custom-compile-command 'make lock'
TWINS       := $(filter-out %/__init__.py,$(wildcard jtgate/codecs/twins/*.py))
TWIN_TYPES  := $(wildcard jtgate/codecs/twins/*.pxd)

.DEFAULT_GOAL := help
.PHONY: help run test soak fuzz bench bench-quick lint fmt lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## gateway on port 6808 with DEMO=20 simulated terminals, data in DATA=data
	$(BIN)/jtgate serve --data $(DATA) --policy open --demo $(DEMO) $(ARGS)

test: $(VENV)/test.stamp ## all tests, short forms; ARGS='-k spool' for some
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

soak: $(VENV)/test.stamp ## the tests that have a long form, in their long form (about half an hour)
	JTGATE_SOAK=1 $(BIN)/python -m pytest -m soak -n 0 --timeout 3600 $(ARGS)

fuzz: $(VENV)/test.stamp ## every parser, guided by coverage; FUZZ_SECONDS=60 for each, ENTRY='body wire' for some
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS) $(ENTRY)

bench: $(VENV)/run.stamp ## the bars of docs/performance.md, measured here (about 10 minutes)
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-quick: $(VENV)/run.stamp ## the same in a minute, less exact
	$(BIN)/python benchmarks/run.py --quick $(ARGS)

lint: $(VENV)/test.stamp ## style, strict types, who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict jtgate
	$(BIN)/lint-imports

fmt: $(VENV)/test.stamp ## put the sources in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/run.stamp ## write the lock files again from pyproject.toml (asks the package index)
	$(PIP_INSTALL) uv
	echo 'setuptools>=80' | $(COMPILE_LOCK) - -o requirements.lock
	$(COMPILE_LOCK) --extra test -c requirements.lock -o requirements-test.lock

clean: ## remove what was built; data stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	    benchmarks/bin jtgate/codecs/twins/*.so .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------------------
# Stamps: each is younger than what it was made from, so that a second `make run` starts at once and offline.

$(VENV)/python.stamp:
	@test -n "$(PYTHON)" || { echo "jtgate needs Python 3.11 or later: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "jtgate needs Python 3.11 or later; $(PYTHON) is older. Say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "could not make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/lock.stamp: requirements.lock $(VENV)/python.stamp
	@echo "installing the pinned dependencies"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@touch $@

# Editable, and the compiled twins beside their sources. Without a C compiler they are left out, with a word about it.
$(VENV)/run.stamp: $(VENV)/lock.stamp pyproject.toml setup.py $(TWINS) $(TWIN_TYPES)
	@echo "building jtgate"
	@rm -f jtgate/codecs/twins/*.so
	@$(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@$(BIN)/python -c 'from jtgate.codecs.twins import is_compiled, load; is_compiled(load("lane")) or \
	    print("note: no C compiler was found, so jtgate runs as plain Python, about ten times slower")'
	@touch $@

$(VENV)/test.stamp: requirements-test.lock $(VENV)/run.stamp
	@echo "installing the pinned test tools"
	@$(PIP_INSTALL) --require-hashes -r requirements-test.lock
	@touch $@
