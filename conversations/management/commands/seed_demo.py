"""Create the demo organization."""

from typing import Any

from conversations.demo.seed import ORGANIZATION, seed_demo

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        f"Create the organization {ORGANIZATION!r}: three agents with shared and isolated blocks, "
        "conversations, messages and a run. Does nothing if it exists."
    )

    def handle(self, **options: Any) -> None:
        if seed_demo():
            self.remark(f"Organization {ORGANIZATION!r} is ready.")
        else:
            self.remark(f"Organization {ORGANIZATION!r} exists; nothing was added.")
