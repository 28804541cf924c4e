"""What the server does about hosts, cookies and HSTS."""

import io
import json
import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from .test_environment import ROOT

NAMES = [
    "SESSION_COOKIE_NAME",
    "CSRF_COOKIE_NAME",
    "SECURE_HSTS_SECONDS",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    "SECURE_HSTS_PRELOAD",
]


def settings_with(**variables: str) -> list:
    program = (
        "import json; from project import settings as s; "
        f"print(json.dumps([getattr(s, n) for n in {NAMES}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HTTPS": "false"}, ["sessionid", "csrftoken", 0, False, False]),
        ({"HTTPS": "true"}, ["__Host-sessionid", "__Host-csrftoken", 31_536_000, False, False]),
        (
            {"HTTPS": "true", "HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"},
            ["__Host-sessionid", "__Host-csrftoken", 31_536_000, True, True],
        ),
    ],
    ids=["http", "https", "subdomains"],
)
def test_https_sets_cookies_and_hsts(variables, expected):
    assert settings_with(**variables) == expected


@pytest.mark.parametrize(("hosts", "refused"), [(["*"], True), (["memory.example.org"], False)])
def test_deployment_check_refuses_every_host(settings, hosts, refused):
    settings.ALLOWED_HOSTS = hosts
    text = io.StringIO()
    try:
        call_command("check", deploy=True, tags=["security"], stderr=text)
    except SystemCheckError as error:
        text.write(str(error))

    assert ("project.E001" in text.getvalue()) is refused


@pytest.mark.parametrize("next_url", ["", "https://evil.example/", "//evil.example"])
def test_login_with_foreign_next_leads_to_console(db, next_url):
    User.objects.create_superuser("root", password="secret")
    reply = Client().post(
        f"/admin/login/?next={next_url}",
        {"username": "root", "password": "secret", "next": next_url},
    )

    assert (reply.status_code, reply.headers["Location"]) == (302, "/admin/")
