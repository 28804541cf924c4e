"""The second factor that docs/security.md describes, as it describes it."""

import json
import os
import re
import subprocess
import sys

import pytest

from .test_environment import ROOT

LOGIN = """
import json
from django.contrib.auth.models import User
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

user = User.objects.create_superuser("root", password="right")
TOTPDevice.objects.create(user=user, name="phone")

def log_in(**code):
    browser = Client()
    data = {"username": "root", "password": "right", **code}
    login = browser.post("/admin/login/", data)
    phone = browser.get("/admin/otp_totp/totpdevice/1/qrcode/")
    return [login.status_code, browser.get("/admin/").status_code, phone.status_code]

device = {"otp_device": "otp_static.staticdevice/1"}
print(json.dumps([
    log_in(),
    log_in(**device, otp_token="wrong"),
]))
"""
FIRST_CODE = """
from django_otp.plugins.otp_static.models import StaticDevice

StaticDevice.objects.update(throttling_failure_count=0)
print(json.dumps(log_in(**device, otp_token="12345678")))
"""


@pytest.mark.slow
def test_documented_second_factor_is_needed(tmp_path):
    document = (ROOT / "docs" / "security.md").read_text()
    package = tmp_path / "second_factor"
    package.mkdir()
    (package / "__init__.py").touch()
    files = re.findall(r"`second_factor/(\w+\.py)`:\n\n```python\n(.*?)```", document, re.DOTALL)
    for name, text in files:
        (package / name).write_text(text)
    assert len(files) == 3
    program = LOGIN + (
        "from django.core.management import call_command\n"
        "call_command('addstatictoken', 'root', token='12345678', verbosity=0)\n"
    )

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ
            | {
                "PYTHONPATH": str(tmp_path),
                "PYTHONWARNINGS": "ignore",
                "DJANGO_SETTINGS_MODULE": "second_factor.settings",
                "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
                "ALLOWED_HOSTS": "testserver",
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "--verbosity", "0")
    lines = manage("shell", "--no-imports", "--command", program + FIRST_CODE).splitlines()

    results = [json.loads(line) for line in lines if line.startswith("[")]
    assert results == [[[200, 302, 302], [200, 302, 302]], [302, 200, 200]]
