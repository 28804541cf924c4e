"""The distribution contains the whole app and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from conversations import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
APP = ROOT / "conversations"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Build the wheel and the sdist; return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    return folder


def files_of_app() -> set[str]:
    found = (path for path in APP.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_wheel_holds_app_and_license(built):
    [wheel] = built.glob("*.whl")
    info = f"django_palimpsest-{__version__}.dist-info"

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())

    own = {name for name in names if not name.startswith(info)}
    assert own == files_of_app()
    assert {"conversations/py.typed", "conversations/migrations/0001_initial.py"} <= own
    assert f"{info}/licenses/LICENSE" in names
    assert (metadata["Name"], metadata["Version"]) == ("django-palimpsest", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra")) == {"metrics", "otel", "postgres", "server"}


def test_sdist_holds_app_without_tests(built):
    [sdist] = built.glob("*.tar.gz")

    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert files_of_app() < names
    assert not [name for name in names if name.startswith(("tests/", "project/"))]


def test_distribution_passes_twine_check(built):
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]

    done = subprocess.run(check, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout
