# Needs Python 3.11 or newer and make. `make run` and `make test` install what they use.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

-include .env
export

.PHONY: help run test test-llm lint bench screenshots
help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

.venv/run: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.env:
	@umask 077; echo "SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')" > $@

run: .venv/run .env ## serve the demo on 127.0.0.1:8283
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@$(BIN)/python manage.py first_run
	@$(BIN)/uvicorn project.asgi:application --host 127.0.0.1 --port $${PORT:-8283} --timeout-graceful-shutdown 30

build/sdk/stamp: tests/sdk/versions.txt .venv/dev
	$(BIN)/python tests/sdk/install.py
	touch $@

test: .venv/dev build/sdk/stamp ## the whole suite, on SQLite and on PostgreSQL; the console in Chromium
	DATABASE_URL=sqlite:///:memory: $(BIN)/pytest -n $(JOBS)
	$(BIN)/python tests/postgres.py $(BIN)/pytest -n $(JOBS) -m "not browser"

build/llm/stamp: tests/llm/requirements.txt
	$(PYTHON) -m venv build/llm
	build/llm/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/llm/requirements.txt
	touch $@

test-llm: .venv/dev build/llm/stamp ## turns with a real, small language model
	DATABASE_URL=sqlite:///:memory: $(BIN)/pytest tests/llm

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
