"""The command line that runs a Python program for a tool, in bubblewrap's sandbox or without one.

In the sandbox there is a read-only copy of the system's programs and of the interpreter's folders,
an empty `/tmp` in memory, and nothing else of the host: no files, processes, capabilities, devices
or, unless it is shared, network. See bwrap(1).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# Of the user and the group of tools: nobody's.
NOBODY = 65534
TMP = "/tmp"  # noqa: S108 (inside the sandbox)
# Of it, in bytes.
TMP_SIZE = 64 * 2**20
# Links to folders of /usr on most systems.
SYSTEM_FOLDERS = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
CONFIGURATION = ("/etc/ld.so.cache", "/etc/localtime", "/etc/ssl", "/etc/ca-certificates")
NETWORK_CONFIGURATION = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf")


def python_command(python: str, program: str) -> list[str]:
    """Return the command of a program that sees neither the server's environment nor its folder."""
    return [python, "-I", "-B", "-c", program]


def as_nobody(command: list[str]) -> list[str]:
    """Return the command that runs another one as nobody: limits of processes don't bind root."""
    program = (
        f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [*python_command(sys.executable, program), *command]


def sandboxed(command: list[str], *, python: str, network: bool) -> list[str]:
    """Return the command that runs another one in a sandbox."""
    return [
        shutil.which("bwrap") or "bwrap",
        *_namespaces(network),
        *_files(python, network),
        "--",
        *command,
    ]


def _namespaces(network: bool) -> Iterator[str]:
    yield from ("--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid")
    yield from ("--unshare-uts", "--unshare-cgroup-try", "--hostname", "tool")
    if not network:
        yield "--unshare-net"
    yield from ("--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL")
    yield from ("--die-with-parent", "--new-session")


def _files(python: str, network: bool) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for folder in SYSTEM_FOLDERS:
        if os.path.islink(folder):
            yield from ("--symlink", os.readlink(folder), folder)
        else:
            yield from ("--ro-bind-try", folder, folder)
    for path in CONFIGURATION + (NETWORK_CONFIGURATION if network else ()):
        yield from ("--ro-bind-try", path, path)
    for prefix in interpreter_folders(python):
        yield from ("--ro-bind", prefix, prefix)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--size", str(TMP_SIZE), "--tmpfs", TMP, "--chdir", TMP, "--setenv", "HOME", TMP)
    yield from ("--remount-ro", "/")


@lru_cache(maxsize=8)
def interpreter_folders(python: str) -> list[str]:
    """Return the folders outside /usr that an interpreter needs: its own and its virtual one."""
    if python == sys.executable:
        prefixes = {sys.prefix, sys.base_prefix}
    else:
        program = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix]))"
        found = subprocess.run(  # noqa: S603 (the operator names the interpreter)
            python_command(python, program), capture_output=True, check=True, timeout=30
        )
        prefixes = set(json.loads(found.stdout))
    return sorted(prefix for prefix in prefixes if not Path(prefix).is_relative_to("/usr"))
