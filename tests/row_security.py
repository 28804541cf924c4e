"""Connecting tests as a role that is subject to row-level security."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from conversations.domain import row_security
from conversations.tenancy import AccessSetter


def become_application_role() -> None:
    """Enable row-level security on the test database and reconnect as the server's role."""
    role = _role("app")
    row_security.enable(role, password="test")
    with connection.cursor() as cursor:
        # Only the tests' own clean-up truncates.
        cursor.execute(f'GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO "{role}"')
    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c role={role}"
    connection.close()
    connection.close_pool()
    assert is_enforced()


@contextmanager
def as_application_role() -> Iterator[None]:
    """Enable row-level security and act as the server's role in a block, which is rolled back.

    With --row-security, this already is so.
    """
    if is_enforced():
        yield
        return
    try:
        with transaction.atomic():
            role = _role("tester")
            row_security.enable(role, password="test")
            with connection.cursor() as cursor:
                cursor.execute(f'SET LOCAL ROLE "{role}"')
            assert is_enforced()
            yield
            transaction.set_rollback(True)
    finally:
        assert not is_enforced()


def _role(name: str) -> str:
    """Return a role's name of this test process's own: roles belong to the whole server."""
    return f"{name}_of_{connection.settings_dict['NAME']}"


def is_enforced() -> bool:
    """Find out whether the connection is subject to row-level security; it may have changed."""
    connection.execute_wrappers[:] = [
        wrapper for wrapper in connection.execute_wrappers if not isinstance(wrapper, AccessSetter)
    ]
    return AccessSetter.of(connection).is_active(connection)
