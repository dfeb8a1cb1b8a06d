# kohort: every target makes its own environment first; nothing else needs to be installed by hand.
PYTHON ?= $(shell for v in python3.13 python3.12 python3.11 python3; do \
	$$v -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$v && break; done)
BIN := .venv/bin
STAMP := .venv/.lock-installed
SOURCE ?=
OUT ?= out
LARGE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports check bench bench-core bench-governance bench-aggregate bench-synth bench-twin figures extract synth verify clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
		|| { echo "kohort needs Python 3.11 to 3.13: install one, or run make PYTHON=/its/path"; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is missing: install the package $$("$(PYTHON)" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])') (Debian, Ubuntu)"; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## walk the whole way on synthetic learners, anew in demo/
	@test ! -f demo/workspace/kohort.toml || rm -rf demo
	@$(BIN)/kohort demo --out demo

test: $(STAMP) ## run all tests, warnings as errors, with coverage
	@$(BIN)/python -m pytest --numprocesses 2 --cov --cov-report=
	@$(BIN)/coverage report --include='anonymizer/*' --fail-under=95
	@$(BIN)/coverage report --include='schemas/*' --fail-under=95

lint: $(STAMP) ## style: ruff, all rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

imports: $(STAMP) ## import contracts: who may know whom
	@$(BIN)/lint-imports

check: lint types imports ## lint, types and import contracts

bench: $(STAMP) ## time the steps of a build on synthetic learners (long; ratios in one run)
	@$(BIN)/python -m tests.bench

bench-core: $(STAMP) ## measure what the privacy core must reach, beside ARX (LARGE=1: 10M learners too)
	@$(BIN)/python -m tests.bench_core $(if $(LARGE),--large)

bench-governance: $(STAMP) ## rights of a million learners and the gate, on both databases (long)
	@$(BIN)/python -m tests.bench_governance

bench-aggregate: $(STAMP) ## coverage of intervals, time and memory of aggregate releases (long)
	@$(BIN)/python -m tests.bench_aggregate

bench-synth: $(STAMP) ## a synthetic platform of a million learners in every format: time and memory (long)
	@$(BIN)/python -m tests.bench_synth

bench-twin: $(STAMP) ## how near twins of OULAD come, over seeds; needs OULAD in ../shared (long)
	@$(BIN)/python -m tests.bench_twin

figures: $(STAMP) ## synthetic platforms beside published figures, as docs/synthetic-data.md has them
	@$(BIN)/python -m tests.published_figures

extract: $(STAMP) ## an extract of OULAD: make extract SOURCE=folder OUT=folder
	@test -n "$(SOURCE)" || { echo "say where OULAD lies: make extract SOURCE=folder OUT=folder"; exit 1; }
	@bash examples/oulad.sh "$(SOURCE)" "$(OUT)"

synth: $(STAMP) ## a synthetic platform as Parquet: make synth OUT=folder
	@$(BIN)/kohort synth raw --preset mooc --learners 100000 --courses 200 --seed 1 --out "$(OUT)"

verify: $(STAMP) ## check a package: make verify PACKAGE=folder
	@test -n "$(PACKAGE)" || { echo "say which package: make verify PACKAGE=folder"; exit 1; }
	@$(BIN)/kohort verify "$(PACKAGE)"

clean: ## remove the environment, caches and the demo
	@test ! -f demo/workspace/kohort.toml || rm -rf demo
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
