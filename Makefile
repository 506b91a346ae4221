# The two commands: `make demo` shows the whole product on real data, `make test` checks it all.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin

.PHONY: help demo test lint types layers check clients fuzz verdicts tea-tasting adaptive segments faults soak mlserver bench bench-serving constraints clean concept drift-wired unlabelled river

help:            ## this list
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p; s/^\([a-z-]*\):  *## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

demo:            ## install, then turn the whole ring on real data (two minutes after installation)
	@scripts/environment demo
	@$(BIN)/seatrial demo

test:            ## install, then lint, types, layers and every test
	@scripts/environment dev
	@scripts/system-packages
	@if [ -n "$$WITHOUT_KSERVE" ]; then echo "WITHOUT_KSERVE is set: KServe's clients are not tested"; \
	else $(MAKE) --no-print-directory clients; fi
	@$(MAKE) --no-print-directory check

check: lint types layers
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types:
	@$(BIN)/mypy

layers:
	@$(BIN)/lint-imports --no-cache

bench-serving:   ## speed beside other servers, and single figures; publishes (wants wrk, nginx, two idle cores, half an hour)
	@scripts/environment dev,bench
	@$(BIN)/python -m bench.serving --publish
	@$(BIN)/python -m bench.bars --publish

bench: bench-serving ## all speed: serving, the ledger at 1 M and 10 M rows, batch and lookups
	@$(BIN)/python -m bench.ledger --rows 1000000
	@$(BIN)/python -m bench.ledger --rows 10000000
	@$(BIN)/python -m bench.lookup --rows 200000
	@$(BIN)/python -m bench.lookup --rows 1000000
	@$(BIN)/python -m bench.batching

fuzz:            ## the HTTP edge under a coverage-guided fuzzer: RUNS inputs (a million; a quarter of an hour)
	@scripts/environment dev,fuzz
	@$(BIN)/python -m tests.fuzz --runs $(or $(RUNS),1000000)

verdicts:        ## CUPED, bounded metrics, quantiles and methods in WORLDS (2 000) simulated worlds a cell (hours; 200: a quarter)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.adjustment --worlds $(or $(WORLDS),2000)
	@$(BIN)/python -m tests.statistics.bounded --worlds $(or $(WORLDS),2000)
	@$(BIN)/python -m tests.statistics.wired --worlds $(or $(WORLDS),2000)
	@$(BIN)/python -m tests.statistics.exact_kinds --worlds $(or $(WORLDS),2000)
	@$(BIN)/python -m tests.statistics.several_challengers --worlds $(or $(WORLDS),2000)

adaptive:        ## estimates under a bandit's changing weights: 2 000 worlds of equal arms (some minutes)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.adaptive_worlds

segments:        ## rules from data, suggested and pruned: 200 simulated worlds of each kind (half an hour)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.segment_worlds

drift-wired:     ## false alarms and power of drift along the monitor's whole path: WORLDS (300) of each size (an hour)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.test_drift_wired --worlds $(or $(WORLDS),300)

concept:         ## detectors of concept drift: false alarms and delays over 200 seeds (some minutes)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.concept_streams

unlabelled:      ## performance without labels, beside what labels said: 100 splits of real data (some minutes)
	@scripts/environment dev
	@$(BIN)/python -m tests.statistics.unlabelled_worlds

faults:          ## the faults with stalls of a minute instead of seconds (a quarter of an hour)
	@scripts/environment dev
	@FAULT_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest tests/faults

soak:            ## SECONDS of load (600) with swaps: the memory's slope, file handles, the ledger's consistency
	@scripts/environment dev
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),600)

clients:         ## an environment of its own for KServe's client, which the tests call
	@scripts/other-environment .venv-clients tests/protocol/others/kserve.txt

mlserver:        ## ask MLServer, in an environment of its own, for the answers that ours are compared with
	@scripts/environment dev
	@scripts/other-environment .venv-mlserver tests/protocol/others/mlserver.txt
	@.venv-mlserver/bin/python tests/protocol/others/mlserver_answers.py

tea-tasting:     ## ask tea-tasting, in an environment of its own, for the answers that ours are compared with
	@scripts/environment dev
	@scripts/other-environment .venv-tea-tasting tests/oracle/tea_tasting/pins.txt
	@.venv-tea-tasting/bin/python -m tests.oracle.tea_tasting.ask

river:           ## ask river, in an environment of its own, where seeded streams change
	@scripts/environment dev
	@scripts/other-environment .venv-river tests/oracle/others/river.txt
	@.venv-river/bin/python tests/oracle/others/river_changes.py

constraints:     ## resolve the newest versions and pin them
	@$(BIN)/python -m uv pip compile --quiet --upgrade --python-version 3.11 --extra dev --extra bench --extra demo --extra fuzz \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml --output-file constraints.txt

clean:           ## remove the environment and everything made by tools
	rm -rf .venv .venv-clients .venv-mlserver .venv-tea-tasting .venv-river .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache
