import sys

from tqdm import tqdm

from conversations.domain.integrity.check import RULES, find_breaches

from ._arguments import find_organization
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Look for stored rows that break the rules of docs/architecture.md. Prints a line for "
        "each breach: the rule, the row's id, what is wrong. Exits with 1 when there are any."
    )

    def add_arguments(self, parser):
        parser.add_argument("--organization", metavar="NAME", help="only rows of this organization")

    def handle(self, *, organization, **options):
        tenant = find_organization(organization) if organization else None
        count = 0
        rules = tqdm(RULES, unit=" rules", disable=None, leave=False)
        for breach in find_breaches(tenant, rules):
            self.result(f"{breach.rule}: {breach.row}: {breach.wrong}")
            count += 1
        self.remark(f"{len(RULES)} rules checked; breaches: {count}.")
        if count:
            sys.exit(1)
