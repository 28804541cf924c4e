"""Run the program of the README."""

import os
import re
import subprocess
import sys

from .install import VERSIONS, client_folder
from .server import ROOT, live_server


def test_readme_program_prints_documented_output():
    readme = (ROOT / "README.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    [printed] = re.findall(r"```\n(own reads:.*?)```", readme, flags=re.DOTALL)

    with live_server() as server:
        key = server.make_world("readme")["readme"]["key"]
        done = subprocess.run(
            [sys.executable, "-c", program.replace("http://127.0.0.1:8283", server.url)],
            env={**os.environ, "API_KEY": key, "PYTHONPATH": str(client_folder(VERSIONS[-1]))},
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert (done.stdout, done.stderr) == (printed, "")
