# make demo    unroll the example threads and serve them; prints the address
# make test    lint, types, and every test
# make bench   speed and memory, as ratios measured side by side
# make clean   remove what these made
# Each installs what it needs: Python packages into .venv (pinned by hash), system packages when run as root.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet
DEMO := $(BIN)/clew --store demo/clew.db

.PHONY: demo test lint bench lock clean

demo: .venv/core.done
	@mkdir -p demo
	@for thread in examples/*.json examples/*.txt; do \
		$(DEMO) unroll $$thread --author @tide_notes --published 2031-11-04T21:10Z --save || exit 1; done
	@$(DEMO) serve --port $(PORT)

test: lint node_modules/.done
	$(BIN)/python tests/bluesky_network.py
	$(BIN)/python tests/fediverse_servers.py
	$(BIN)/pytest -q -n 2 --dist loadgroup

lint: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev.done
	@for script in bench/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

.venv/core.done: requirements/core.txt pyproject.toml
	@PYTHON=$(PYTHON) scripts/need python-venv:python3-venv
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(PIP) --require-hashes -r requirements/core.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.done: requirements/dev.txt .venv/core.done
	@scripts/need java:default-jre-headless libpangoft2-1.0.so.0:libpangoft2-1.0-0 \
		libharfbuzz-subset.so.0:libharfbuzz-subset0 fc-list:fontconfig openssl:openssl
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

node_modules/.done: package-lock.json
	@scripts/need npm:npm chromium:chromium
	npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

lock: .venv/dev.done
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group build pyproject.toml -o requirements/core.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra articles --extra images --extra pdf --extra postgresql --extra timestamps \
		--group build --group dev pyproject.toml -o requirements/dev.txt
	npm install --package-lock-only --omit-lockfile-registry-resolved
	cd tests/networks/bluesky && \
		npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts

clean:
	rm -rf .venv demo node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
