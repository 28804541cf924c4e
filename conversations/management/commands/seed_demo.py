from conversations.demo.seed import ORGANIZATION, seed_demo

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        f"Make the organization {ORGANIZATION!r}: three agents with shared and isolated blocks, "
        "conversations, messages and a run. When it exists, nothing changes."
    )

    def handle(self, **options):
        if seed_demo():
            self.remark(f"Organization {ORGANIZATION!r} is ready.")
        else:
            self.remark(f"Organization {ORGANIZATION!r} exists; nothing added.")
