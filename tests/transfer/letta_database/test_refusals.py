"""An invalid V1 database is rejected: the error names the row, and nothing is written."""

import pytest
from django.core.management import CommandError, call_command

from conversations.models import Organization

from ...api.stored_rows import stored
from .v1 import DUMP, load_dump, new_database

pytestmark = pytest.mark.django_db


def error_of(url: str, *arguments: str) -> str:
    before = stored()
    with pytest.raises(CommandError) as error:
        call_command("import_letta", "--from", url, *arguments)
    assert stored() == before
    return str(error.value)


def test_unknown_revision_is_rejected_unless_accepted(v1):
    v1.execute("UPDATE alembic_version SET version_num = 'ffff'")

    output = error_of(v1.url)

    assert "is at revision 'ffff'; supported: 1c28e167b74f (Letta 0.16.8)" in output
    assert "--accept-revision ffff" in output
    call_command("import_letta", "--from", v1.url, "--accept-revision", "ffff")
    assert Organization.objects.exists()


def test_missing_column_is_named(v1):
    v1.execute("ALTER TABLE messages DROP COLUMN sequence_id")

    assert "is incomplete: column m.sequence_id does not exist" in error_of(v1.url)


def test_database_without_alembic_version_is_rejected(v1_server):
    with new_database(v1_server) as url:
        assert "Not a V1 database" in error_of(url)


def test_wrong_credentials_do_not_show_the_password(v1):
    url = v1.url.replace("postgres@", "nobody:very-secret@")

    output = error_of(url)

    assert "Can't open the V1 database" in output
    assert "very-secret" not in output


@pytest.mark.parametrize("url", ["nonsense", "postgresql://127.0.0.1:1/x", "mysql://x/y"])
def test_unreachable_database_is_rejected(url, db):
    assert "Can't open the V1 database" in error_of(url)


def test_invalid_agent_id_is_rejected(v1):
    assert "--agent: expected agent-<uuid>, got 'x'" in error_of(v1.url, "--agent", "x")


def test_unwritable_sidecar_is_rejected(v1, tmp_path):
    output = error_of(v1.url, "--sidecar", str(tmp_path / "nowhere" / "rest.jsonl"))

    assert "--sidecar: can't write" in output


@pytest.mark.skipif(not DUMP.exists(), reason="needs the recorded V1 database")
@pytest.mark.parametrize("lines", [800, 2000])
def test_truncated_dump_is_rejected(v1_server, lines):
    with new_database(v1_server) as url:
        load_dump(url, lines=lines)

        output = error_of(url)

    assert "is incomplete" in output
