"""Run the scenarios and print the table of docs/reliability.md."""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all by default")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started ends.

    with tempfile.TemporaryDirectory(prefix="conversations-chaos-") as folder:
        from .database import durable_postgres  # noqa: PLC0415 (sets what psycopg needs first)

        with durable_postgres() as database:
            os.environ |= {
                "DATABASE_URL": database.url,
                "DJANGO_SETTINGS_MODULE": "project.settings",
                "SECRET_KEY": "only-for-tests",
                "PYTHONWARNINGS": "ignore",
            }
            import django  # noqa: PLC0415 (the settings read DATABASE_URL)
            from django.core.management import call_command  # noqa: PLC0415

            django.setup()
            call_command("migrate", verbosity=0)
            return run(options.names, database, Path(folder))


def run(names: list[str], database, folder: Path) -> int:
    """Run scenarios; return how many failed."""
    from ..model_server import model_server  # noqa: PLC0415 (as above)
    from .scenarios import SCENARIOS  # noqa: PLC0415
    from .world import World  # noqa: PLC0415

    unknown = set(names) - set(SCENARIOS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; expected: {', '.join(SCENARIOS)}")
    rows, failures = [], 0
    with model_server() as model:
        for name, scenario in SCENARIOS.items():
            if names and name not in names:
                continue
            begun = time.monotonic()
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                load, result = scenario(World(database, model, folder))
            except Exception as error:
                failures += 1
                traceback.print_exc()
                load, result = "", f"FAILED: {error!r:.300}"
            title = (scenario.__doc__ or name).splitlines()[0].rstrip(".")
            rows.append(f"| {title} | {load} | {result} |")
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print("| Test | Load | Result |\n| --- | --- | --- |")
    print("\n".join(rows), flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(main())
