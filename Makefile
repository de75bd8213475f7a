# Every target works from a bare clone: the environment is made when it is first needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto

# The interpreter is started hundreds of times: compiling everything anew each time would be half of the work.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test soak web pictures check faults fix bench lock clean

# --no-build-isolation: the build backend comes from the lock too.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/installed  ## three demo services and the gateway, in dev mode
	$(BIN)/python -m demo.run

# Two of the tests' folders need programs from elsewhere: chromium, and those of examples/web.
web: examples/web/node_modules/.installed
examples/web/node_modules/.installed: examples/web/package-lock.json
	cd examples/web && npm ci --silent
	@touch $@

pictures: $(VENV)/installed  ## the console as docs/images shows it
	$(BIN)/python -m tests.web.pictures

test: $(VENV)/installed web
	$(BIN)/python -m pytest -n $(JOBS)

soak: $(VENV)/installed  ## the long versions of tests that `make test` only samples
	BFF_SOAK=1 $(BIN)/python -m pytest tests/house/test_under_fire.py tests/house/test_crowd.py tests/house/test_offline_faults.py tests/export/test_fuzz.py \
		tests/revisions/test_eviction.py
	BFF_FUZZ=2000 BFF_SEED=$$(date +%s) $(BIN)/python -m pytest tests/services/test_differential.py tests/gateway/test_passthrough_fuzz.py --timeout 3600

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m bff.cli check

faults: $(VENV)/installed  ## every fault of a service on the real clock, many rounds; minutes
	BFF_FAULTS=long $(BIN)/python -m pytest tests/services/faults -n $(JOBS) --timeout 900

fix: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed  ## needs wrk and valgrind; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks --out docs/benchmarks.md

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: $(VENV)/installed  ## hashes only; the two of the Dockerfile hold the same versions as requirements.lock
	$(LOCK) --group dev pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock pyproject.toml -o requirements-runtime.lock
	echo hatchling | $(LOCK) -c requirements.lock - -o requirements-build.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
