# Every target bootstraps .venv by itself. `make run` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# make test TESTS=tests/rules ORDER=random; the seed stands in the command that make prints
TROUBLE := tests/services/test_repeated_keys.py tests/services/test_reconciler.py \
  tests/services/test_recovery.py tests/services/test_deadlines.py tests/deploy/test_restore.py \
  tests/api/test_disk_full.py tests/api/test_database_away.py tests/cli/test_audit.py \
  tests/services/test_repeated_requests.py
# whole years, and the whole system started by its commands
WHOLE := tests/audit/test_commands.py tests/deploy/test_up.py \
  tests/workflows/test_enforcement_in_bulk.py tests/workflows/test_province_year.py
# files that have just been run, which make test and make chaos-short leave out
DONE ?=
TESTS ?= --ignore=tests/chaos $(TROUBLE:%=--ignore=%) $(WHOLE:%=--ignore=%) $(DONE:%=--ignore=%) tests
ORDER ?=
# one more than processors: much of a test is waiting for servers
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, 1 + (os.cpu_count() or 1)))")
# make chaos SLOW=tests/chaos
SLOW ?= tests
KILLS ?= 210
FILINGS ?=
SEED ?=
FIGURES ?=
# seconds that make chaos goes on changing bytes at random
FUZZ ?= 3600

# what is imported is compiled when it is, and of what is installed that is the smaller part
QUIETLY := --quiet --no-compile

# tests and benchmarks start many processes of Python, which need not compile all of it each time
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test lint types imports bom advisories bench bench-short chaos chaos-short clean

help:
	@echo "make run | test | lint | types | bench | chaos | bom | advisories | clean"

$(READY): requirements.lock requirements-test.lock requirements-assets.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "zhibao needs Python 3.11 or newer; this is %s. Set one with: make PYTHON=python3.11" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements-test.lock
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes --no-deps -r requirements-assets.lock
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY)
	@$(BIN)/zhibao up --demo

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" $(if $(filter random,$(ORDER)),--random-order --random-order-seed=$(shell date +%s)) $(TESTS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy .

imports: $(READY)
	$(BIN)/lint-imports

# the tools that look at packages are in a place of their own: none of them is part of the system
$(VENV)/audit/.ready: requirements-audit.lock $(READY)
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

bom: $(VENV)/audit/.ready
	$(VENV)/audit/bin/cyclonedx-py requirements requirements.lock --output-reproducible --of JSON -o bom.json

advisories: $(VENV)/audit/.ready
	$(VENV)/audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock --progress-spinner off --timeout 10 -f json -o $(VENV)/audit/report.json || test -s $(VENV)/audit/report.json
	$(BIN)/python -m deploy.advisories $(VENV)/audit/report.json

BENCHES := filing_life campaign_start campaign_year engine_size rules peers ingest lookup inbox \
  certificate_search lapses audit audit_many

# whatever else is asked of make: figures are of one benchmark at a time
bench: $(READY)
	$(foreach one,$(BENCHES),$(BIN)/python -m bench.$(one) &&) true

bench-short: $(BENCHES:%=bench-short-%)

bench-short-%: $(READY)
	$(BIN)/python -m bench.$* --short

# make chaos KILLS=500 SEED=7 FILINGS=54000 FIGURES=bench/figures; the last writes what python -m bench.reliability reads
chaos: $(READY)
	KILLS=$(KILLS) FILINGS=$(FILINGS) SEED=$(SEED) FIGURES=$(FIGURES) $(BIN)/python -m pytest -m slow $(SLOW)
	EXAMPLES=100 $(BIN)/python -m pytest tests/api/test_openapi.py -k generated
	ZHIBAO_FUZZ_SECONDS=$(FUZZ) SEED=$(or $(SEED),1) $(BIN)/python -m pytest -s tests/api/test_fuzz.py

# what make test leaves to the continuous check: killed processes, servers that stand still, and
# whole years
chaos-short: $(READY)
	$(BIN)/python -m pytest -n logical --maxprocesses 2 --dist loadfile -m "not slow" tests/chaos $(filter-out $(DONE),$(TROUBLE) $(WHOLE))

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
