"""What this machine can run tools with."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from conversations.runtime.tool_runners.sandbox import sandboxed


def interpreter() -> str:
    """Return the interpreter, or the system's if root runs the tests: tools run as nobody."""
    system = "/usr/bin/python3"
    is_private = os.geteuid() == 0 and not sys.prefix.startswith("/usr")
    return system if is_private and Path(system).exists() else sys.executable


@cache
def sandbox_problem() -> str | None:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    command = sandboxed(["/usr/bin/true"], python=interpreter(), network=False)
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"bubblewrap can't run here: {tried.stderr.strip()}" if tried.returncode else None
