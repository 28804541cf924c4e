"""Checks of the repository: documents and conventions."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import call_command

from conversations.conf import DEFAULTS
from project.static import StaticStorage

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
READ_BY_LIBRARIES = {"FORWARDED_ALLOW_IPS", "OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_docs_list_every_environment_variable():
    source = (ROOT / "project" / "settings.py").read_text()
    read = re.findall(r'env\.\w+\(\s*"(\w+)"', source)
    server = (DOCS / "settings.md").read_text().partition("## In your own project")[0]

    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", server, re.MULTILINE))

    assert listed - READ_BY_LIBRARIES == set(read)


def test_docs_list_every_key_of_the_app_settings():
    embedded = (DOCS / "settings.md").read_text().partition("## In your own project")[2]
    listed = re.findall(r"^\| `([A-Z_]+)` \|", embedded, re.MULTILINE)

    assert sorted(listed) == sorted(DEFAULTS)


def test_docs_list_every_command():
    commands = (DOCS / "commands.md").read_text()
    folder = ROOT / "conversations" / "management" / "commands"
    ours = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}

    for command in ours:
        assert f"`{command}" in commands


def test_links_between_documents_lead_somewhere():
    documents = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize(("variable", "warned"), [("SECRET_KEY", False), ("OTHER", True)])
def test_deployment_check_warns_without_secret_key(monkeypatch, variable, warned):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv(variable, "kept")
    warnings = io.StringIO()

    call_command("check", deploy=True, tags=["security"], stderr=warnings)

    assert ("project.W001" in warnings.getvalue()) is warned


def test_views_look_up_within_organization_only():
    """Every lookup starts at `in_organization`: no view gets a row by its id alone."""
    for path in (ROOT / "conversations" / "api" / "views").glob("*.py"):
        assert not re.search(r"\.objects\.(get|filter|all|exclude)\(", path.read_text()), path


def test_uncollected_file_keeps_its_plain_name(tmp_path):
    storage = StaticStorage(location=tmp_path, base_url="/static/")
    storage.hashed_files = {"admin/css/base.css": "admin/css/base.0123.css"}

    assert storage.url("admin/css/base.css") == "/static/admin/css/base.0123.css"
    assert storage.url("conversations/icon.svg") == "/static/conversations/icon.svg"


def test_documents_have_no_placeholders():
    for document in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        assert not re.search(r"\b(TODO|TBD|[A-Z]+_TABLE)\b", document.read_text()), document.name
