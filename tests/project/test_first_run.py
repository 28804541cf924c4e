import re

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from conversations.models import ApiKey

from ..factories import make_member, make_organization

SHOWN = re.compile(
    r"Admin     http://127\.0\.0\.1:9000/admin/\n"
    r"User      admin\n"
    r"Password  (?P<password>\S{16})\n"
    r"API       http://127\.0\.0\.1:9000\n"
    r"API key   (?P<key>\S+)\n"
    r"Keep the secrets now: they are shown only this once\.\n"
)


@pytest.fixture(autouse=True)
def _port(monkeypatch):
    monkeypatch.setenv("PORT", "9000")


def test_first_run_prints_working_credentials(db, capsys, rf):
    call_command("seed_demo")
    capsys.readouterr()

    call_command("first_run")

    shown = SHOWN.fullmatch(capsys.readouterr().out)
    admin = authenticate(rf.post("/"), username="admin", password=shown["password"])
    assert (admin.is_superuser, admin.is_staff) == (True, True)
    key = ApiKey.objects.get(digest=ApiKey.digest_of(shown["key"]))
    assert (key.member.name, key.scope) == ("demo", "write")


def test_second_run_prints_address_only(db, capsys):
    call_command("seed_demo")
    call_command("first_run")
    password = User.objects.get(username="admin").password
    capsys.readouterr()

    call_command("first_run")

    out, err = capsys.readouterr()
    assert out == "Admin     http://127.0.0.1:9000/admin/\n"
    assert "manage.py changepassword admin" in err
    assert "manage.py create_api_key --organization Demo --member demo" in err
    assert User.objects.get(username="admin").password == password
    assert ApiKey.objects.count() == 1


def test_first_run_accepts_any_superuser(db, capsys):
    User.objects.create_superuser("root")

    call_command("first_run")

    assert capsys.readouterr().out == "Admin     http://127.0.0.1:9000/admin/\n"
    assert not User.objects.filter(username="admin").exists()


def test_first_run_without_demo_creates_no_key(db, capsys):
    make_member(make_organization("Acme"), "demo")

    call_command("first_run")

    assert "API key" not in capsys.readouterr().out
    assert not ApiKey.objects.exists()


def test_first_run_does_not_promote_user_called_admin(db, capsys):
    User.objects.create_user("admin")

    with pytest.raises(CommandError, match="'admin' exists and is not a superuser"):
        call_command("first_run")

    assert capsys.readouterr().out == ""
    assert not User.objects.filter(is_superuser=True).exists()
