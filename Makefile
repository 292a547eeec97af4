# What a developer does, by name. Every target sets up first what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench chaos screenshots lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

setup: ## environment in .venv, Java, Maven, Redis, Kafka's jars
	@scripts/setup

demo: setup ## everything at work on this machine, until Ctrl-C or XINGHE_DEMO_SECONDS
	@.venv/bin/xinghe demo

# What needs no broker keeps all cores busy; what has a Kafka of its own mostly waits, a file of tests beside another. Both
# parts run, whatever fails.
test: setup ## all tests, with coverage
	@scripts/test-tools
	@status=0; \
	.venv/bin/pytest --numprocesses=auto --dist=worksteal -m "not integration and not chaos" --cov --cov-report= || status=$$?; \
	.venv/bin/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder \
		-m "integration or chaos" tests --cov --cov-append --cov-report=term || status=$$?; \
	exit $$status

lint: setup ## style, types, import direction, generated contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/xinghe schemas --check

format: setup ## format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: setup ## the figures of the README
	.venv/bin/python -m bench

chaos: setup ## kill workers, then audit; XINGHE_CHAOS_KILLS sets how often (default 8)
	.venv/bin/pytest -m chaos tests/chaos

screenshots: setup ## the pictures of the dashboard in docs/, for the README
	@scripts/test-tools
	.venv/bin/python -m tests.browser.screenshots

# Pins in the requirements files are kept; delete a file's line to take a newer release.
LOCK = CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile --quiet --generate-hashes --no-strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: setup ## write requirements*.txt anew after a change of the dependencies
	$(LOCK) --output-file requirements.txt pyproject.toml
	$(LOCK) --extra dev --output-file requirements-dev.txt pyproject.toml

clean: ## remove what setup, tests and demo made
	rm -rf .venv .xinghe .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* dist build
	find src streams tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
