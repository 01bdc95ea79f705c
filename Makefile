# Every target does all its own set-up in .venv. Needed on the machine: Python 3.11 or newer, git, make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/make \1@\2/p' $(MAKEFILE_LIST) | while IFS=@ read -r target text; do printf '%-16s%s\n' "$$target" "$$text"; done

.PHONY: environment
environment:
	@scripts/environment

.PHONY: demo
demo: environment ## the main job on a copy of the sample platform: check, generate, check, plan, trace
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

.PHONY: test
test: environment ## all tests, against the real kustomize (ARGS="-k name" for some)
	@kustomize=$$(scripts/kustomize) && GITOPS_SECRETS_KUSTOMIZE=$$kustomize GITOPS_SECRETS_REQUIRE_KUSTOMIZE=1 $(BIN)/python -m pytest -q --numprocesses 2 $(ARGS)

.PHONY: test-html
test-html: environment ## the page of scan --format html, in the Chromium that is installed (Debian: chromium, chromium-driver)
	@$(BIN)/python -m pytest -q -m browser tests/report/page $(ARGS)

.PHONY: e2e
e2e: environment ## on a real control plane with Flux and External Secrets Operator, which it builds once (40 CPU minutes)
	@$(BIN)/python -m tests.e2e.bed build
	@$(BIN)/python -m pytest -q -m "not full" --complete --ignore=tests/e2e/argo_cd tests/e2e $(ARGS)

.PHONY: e2e-full
e2e-full: environment ## the same with the long ones: every edge, every permission, all faults
	@$(BIN)/python -m tests.e2e.bed build
	@$(BIN)/python -m pytest -q --complete --ignore=tests/e2e/argo_cd tests/e2e $(ARGS)

.PHONY: e2e-argo
e2e-argo: environment ## the same control plane with Argo CD (10 CPU minutes more, once)
	@$(BIN)/python -m tests.e2e.bed build --argo-cd
	@$(BIN)/python -m pytest -q tests/e2e/argo_cd $(ARGS)

.PHONY: cluster
cluster: environment ## a control plane that is left running, with the sample platform in a git server (ARGS="--overlay staging"); ends by make cluster-down
	@$(BIN)/python -m tests.e2e.bed up $(or $(ARGS),--overlay development)

.PHONY: demo-cluster
demo-cluster: environment ## the main job on a real control plane: reconcile and verify, from an empty cluster on
	@$(BIN)/python -m tests.e2e.bed build
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo-cluster

.PHONY: cluster-down
cluster-down: ## ends what `make cluster` left running
	@$(BIN)/python -m tests.e2e.bed down

.PHONY: fuzz
fuzz: environment ## repositories made of real ones by changing them, for ten minutes (FUZZ=60 for one)
	@GITOPS_SECRETS_FUZZ_SECONDS=$(or $(FUZZ),600) $(BIN)/python -m pytest -q -m fuzz tests/unbreakable $(ARGS)

.PHONY: lint
lint: environment ## ruff, mypy --strict, import-linter; actionlint and zizmor for the workflows
	@actionlint=$$(scripts/actionlint) && export PATH="$(CURDIR)/$(BIN):$${actionlint%/*}:$$PATH" && \
	status=0 && for check in "ruff check" "ruff format --check" "mypy" "lint-imports --no-logo --cache-dir .venv/import-linter" \
		"actionlint -shellcheck= -pyflakes=" "zizmor --offline --quiet --pedantic --strict-collection ."; do \
		echo "-- $$check"; $$check || status=1; \
	done; exit $$status

.PHONY: format
format: environment ## ruff's fixes and format
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format --quiet

.PHONY: docs
docs: environment ## the pages of the rules, from their docstrings
	@$(BIN)/python scripts/rule-pages

.PHONY: bench
bench: environment ## speed, as ratios beside their targets (REPO=path for a checkout of yours, ARGS="--small --write" to be quick, to keep the table)
	@$(BIN)/python benchmarks/run.py $(if $(REPO),--repository "$(REPO)") $(ARGS)

.PHONY: regress
regress: environment ## counts of what is read in checkouts: make regress DIRS="path path"
	@$(BIN)/python benchmarks/regress.py $(DIRS)

.PHONY: clean
clean: ## removes .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
