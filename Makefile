SHELL := /bin/bash
.DEFAULT_GOAL := help

ENV := $(shell scripts/environment --path)
PORT ?= 8000
# Where it is set, each of the hundreds of processes of a test run compiles all modules that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up check test run-tests test-long test-containers test-gpu chaos lint format bench results screenshots reference lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Options: ONCE=1 (demo stops at the end), PORT=8000, LETHE_HOME=…, TORCH_BACKEND=cpu (small torch)"

install: ## Install Lethe and everything it needs into its own environment
	@scripts/environment

demo: install ## Run the whole job: seed oracles, upload baselines, show the leaderboard
	@scripts/packages run
	@$(ENV)/bin/lethe demo --port $(PORT) $(if $(ONCE),--once,)

up: install ## Run server, control and worker on the embedded default
	@scripts/packages run
	@$(ENV)/bin/lethe up --port $(PORT)

test: install ## Lint, check types and run all tests, with real PostgreSQL, Redis, bubblewrap and Chromium
	@scripts/packages test
	@$(MAKE) --no-print-directory --jobs 2 lint run-tests

run-tests: install
	@scripts/test

check: install ## Lint, check types and run the tests that need no server; for every commit
	@$(MAKE) --no-print-directory lint
	@$(ENV)/bin/python -m pytest -n 2 -q -m "not slow and not long and not gpu" tests/unit tests/test_architecture.py tests/test_names.py

test-long: install ## Run the tests that take minutes: all attacks on the fresh backend and as an ordinary user
	@scripts/packages test
	@$(ENV)/bin/python -m pytest -m long

test-containers: install ## Build the images and run the site of docker-compose.yml in a real engine
	@scripts/packages containers
	@$(ENV)/bin/python -m pytest -m containers -s tests/containers

test-gpu: install ## Run what needs an NVIDIA GPU
	@scripts/packages test
	@$(ENV)/bin/python -m pytest -m gpu

chaos: install ## Kill processes and servers 300 times while submissions are evaluated
	@scripts/packages test
	@$(ENV)/bin/python -m pytest -m chaos -s tests/system/chaos

lint: install ## Check format, lint and types
	@$(ENV)/bin/ruff format --check .
	@$(ENV)/bin/ruff check .
	@$(ENV)/bin/mypy

format: install ## Format the code
	@$(ENV)/bin/ruff format .
	@$(ENV)/bin/ruff check --fix .

bench: install ## Measure speed beside references; ends with a table of goals
	@scripts/packages bench
	@$(ENV)/bin/python -m benchmarks

results: install ## Run all baselines on the demo, resumable, into docs/ (results, runs, provenance) and the README's table
	@scripts/packages run
	@$(ENV)/bin/lethe bench benchmarks/sweeps/demo.toml --out docs --block README.md

screenshots: install ## Run the demo and take the README's two pictures of it
	@scripts/packages test
	@$(ENV)/bin/python -m scripts.screenshots

reference: install ## Write docs/reference.md anew: every command, setting and call
	@$(ENV)/bin/python scripts/reference.py > docs/reference.md.new && mv docs/reference.md.new docs/reference.md

lock: install ## Resolve all dependencies anew into requirements.lock
	@scripts/lock

clean: ## Remove the environment and caches
	rm -rf "$(ENV)" .mypy_cache .ruff_cache .pytest_cache .hypothesis
