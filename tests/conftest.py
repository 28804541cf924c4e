from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from rest_framework.test import APIClient

from conversations.context import bound
from conversations.domain.conversations.accounts import issue_key
from conversations.models import Member
from conversations.runtime.runtime import close_runtime
from conversations.tenancy import acting_for_all

from .factories import link_user, make_member, make_organization
from .model_server import ModelServer, model_server
from .row_security import as_application_role, become_application_role

# The suite runs on PostgreSQL. These tests also run on SQLite, where results could differ.
SQLITE = (
    "tests/api/test_archives.py",
    "tests/api/test_etags.py",
    "tests/api/test_pagination.py",
    "tests/api/test_query_counts.py",
    "tests/api/test_search.py",
    "tests/api/test_server.py",
    "tests/api/test_values.py",
    "tests/commands/",
    "tests/domain/",
    "tests/runtime/test_fencing.py",
    "tests/runtime/test_processes.py",
    "tests/runtime/test_runs.py",
    "tests/sdk/test_readme.py",
    "tests/stress/",
    "tests/test_project.py",
    "tests/test_serve.py",
    "tests/transfer/letta_database/test_import.py",
)


def pytest_addoption(parser):
    parser.addoption(
        "--row-security",
        action="store_true",
        help="connect as a role that is subject to row-level security (PostgreSQL)",
    )


def pytest_collection_modifyitems(items):
    from django.conf import settings  # noqa: PLC0415 (settings are not ready at import)

    is_postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    skip = pytest.mark.skip(reason="SQLite has one writer at a time; runs on PostgreSQL")
    for item in items:
        if item.nodeid.startswith(SQLITE):
            item.add_marker("sqlite")
        if "postgres_only" in item.keywords and not is_postgres:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Use a SQLite file: with a shared in-memory database, threads get lock errors at once."""
    from django.conf import settings  # noqa: PLC0415 (as above)

    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)
        connection.settings_dict.setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture(scope="session", autouse=True)
def _row_security(request, django_db_setup, django_db_blocker):
    """With --row-security, connect all tests as a role that is subject to it."""
    if request.config.getoption("row_security"):
        with django_db_blocker.unblock():
            become_application_role()


@pytest.fixture
def row_security(db):
    """Run the test as a role that is subject to row-level security."""
    with as_application_role():
        yield


@pytest.fixture(autouse=True)
def _tests_act_for_all():
    """Let the code of tests read and write all rows; requests and turns act for themselves."""
    with acting_for_all():
        yield


@pytest.fixture(autouse=True)
def _own_context():
    """Keep what a test adds to the context of log lines out of other tests."""
    with bound():
        yield


@pytest.fixture(scope="session", autouse=True)
def _worker_ends_before_its_database(django_db_setup, django_db_blocker):
    yield
    with django_db_blocker.unblock():
        close_runtime(grace=0)


@pytest.fixture(scope="session")
def running_model_server():
    with model_server() as running:
        yield running


@pytest.fixture
def configure(settings) -> Callable[..., None]:
    """Set keys of the dict CONVERSATIONS: `configure(MODEL_TIMEOUT=0.3)`."""

    def set_keys(**keys: object) -> None:
        settings.CONVERSATIONS = settings.CONVERSATIONS | keys

    return set_keys


@pytest.fixture
def model(running_model_server, configure) -> Iterator[ModelServer]:
    """Configure a provider that follows scripts (tests/script.py) and records requests."""
    configure(PROVIDERS={"openai": {"base_url": running_model_server.url, "api_key": "test"}})
    running_model_server.start_over()
    yield running_model_server
    running_model_server.go_on()


@pytest.fixture(autouse=True)
def _plain_static_files(settings):
    """Serve static files under their plain names, without collectstatic."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def _no_cache(settings):
    """Keep what a test counts out of other tests: rates and allowances (domain/quotas.py)."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


@pytest.fixture
def is_postgres() -> bool:
    return connection.vendor == "postgresql"


@pytest.fixture
def client_for() -> Callable[..., APIClient]:
    """Return a function: `client_for(member)` is a client with an API key of that member."""

    def make(member: Member, scope: str = "write", **key: object) -> APIClient:
        _, secret = issue_key(member, scope=scope, **key)
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        client.default_format = "json"
        return client

    return make


@pytest.fixture
def alice(db) -> Member:
    """Return the member who owns the tested rows."""
    return link_user(make_member(make_organization("Acme"), "alice"))


@pytest.fixture
def bob(alice) -> Member:
    """Return a member of Alice's organization."""
    return link_user(make_member(alice.organization, "bob"))


@pytest.fixture
def mallory(db) -> Member:
    """Return a member of another organization."""
    return link_user(make_member(make_organization("Elsewhere"), "mallory"))
