"""Install the pinned versions of letta-client side by side in build/sdk.

Run as `python tests/sdk/install.py`. Only the client is installed: all versions have the same
dependencies, which come with the development requirements.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / "build" / "sdk"
VERSIONS = (HERE / "versions.txt").read_text().split()


def client_folder(version: str) -> Path:
    """Return the folder of this version; install it if it is missing."""
    target = FOLDER / version
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Several test processes may need it at the same time; one of them installs it.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _install(version, target)
    return target


def _install(version: str, target: Path) -> None:
    # Renaming at the end keeps an interrupted installation from looking complete.
    partial = FOLDER / f"{version}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--target", str(partial), f"letta-client=={version}"]
    subprocess.run(command, check=True, timeout=300)
    partial.rename(target)


if __name__ == "__main__":
    for version in VERSIONS:
        client_folder(version)
