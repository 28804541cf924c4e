#!/usr/bin/env python
"""Run a management command: `manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from project.database import connection_error


def main() -> None:
    """Run the command; report an unreachable database in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if sys.argv[1:2] != ["run_worker"]:
        os.environ.setdefault("DATABASE_TIMEOUTS", "false")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError:
        if cause := connection_error():
            sys.exit(cause)
        raise


if __name__ == "__main__":
    main()
