# `make help` lists the targets. Every one installs what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test bench bench-peers chaos clients vps_1 vllm local-demo gpu-demo demo-quarter check fix lock sbom clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Lock files are whole, so nothing is resolved: pip would look at newer releases of what they pin.
$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Tercet needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

run: $(VENV)/.run ## start everything on this machine, in the foreground (PORT, TERCET_API_KEY)
	@$(BIN)/tercet run

# Where vLLM's CPU build does not install (it is for Python 3.11 on x86-64), its tests are skipped.
test: $(VENV)/.dev ## run the whole test suite
	-@$(MAKE) --no-print-directory vps_1
	$(BIN)/python -m pytest

bench: $(VENV)/.dev ## measure, print the tables and store them in bench/results (minutes)
	$(BIN)/python -m bench.gateway --save
	$(BIN)/python bench/classify.py --save
	PYTHONPATH=tests $(BIN)/python -m bench.ledger --save
	PYTHONPATH=tests $(BIN)/python -m bench.race --save
	PYTHONPATH=tests $(BIN)/python -m bench.outage --save
	$(BIN)/python -m bench.keep_alive --save
	$(BIN)/python -m bench.routing --dev bench/data/routing --save
	$(BIN)/python -m bench.critical_fuzz
	$(BIN)/python -m bench.months --processes 2 --months 200 --others 40
	PYTHONPATH=tests $(BIN)/python -m bench.console --save

bench-peers: $(VENV)/.dev ## measure what Tercet adds to a request, beside other gateways (800 MB, minutes)
	$(BIN)/python -m bench.gateway.peers --install
	$(BIN)/python -m bench.gateway --peers --save

chaos: $(VENV)/.dev ## kill everything at every point, and judge by the bill (ARGS="--requests 10000")
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

clients: $(VENV)/.dev ## run the clients people have against a running system, and write docs/clients.md (minutes)
	PYTHONPATH=tests $(BIN)/python -m clients $(ARGS)

# VPS_1 has an environment of its own: 2.7 GB, made once.
.vps_1/.made: cluster/vps_1/cpu.lock cluster/vps_1/install.sh $(VENV)/.run
	PYTHON=$(abspath $(BIN)/python) cluster/vps_1/install.sh .vps_1 --cpu
	@touch $@

vps_1: .vps_1/.made ## make the environment with vLLM for CPUs, for TERCET_LOCAL=cpu (2.7 GB)

vllm: $(VENV)/.dev .vps_1/.made ## run the tests of the local model alone: real vLLM on a second Ray node
	$(BIN)/python -m pytest tests/vllm $(ARGS)

local-demo: $(VENV)/.run .vps_1/.made ## asleep, spilt, woken, answered, asleep: the local model's timeline
	$(BIN)/python examples/local_timeline.py $(ARGS)

gpu-demo: $(VENV)/.run .vps_1/.made ## the rented machine's whole life on this one (root, openssh-server)
	$(BIN)/python examples/rented_life.py $(ARGS)

demo-quarter: $(VENV)/.run ## three months at high speed: baseline, migration, tuning, a report of each (minutes)
	$(BIN)/python -m examples.quarter $(ARGS)

check: $(VENV)/.dev ## lint, format, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## format and apply safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## write the lock files anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra build --python-version 3.11 --universal --generate-hashes --no-header --no-annotate -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --extra dev --python-version 3.11 --universal --generate-hashes --no-header --no-annotate -q -c requirements.lock -o requirements-dev.lock

sbom: $(VENV)/.run ## write dist/sbom.cdx.json: what is installed, as a CycloneDX bill of materials
	@mkdir -p dist
	$(BIN)/python tools/sbom.py requirements.lock > dist/sbom.cdx.json

clean: ## remove the environment; the ledger in var/ stays
	rm -rf $(VENV)
