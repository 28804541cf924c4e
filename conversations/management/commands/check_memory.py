"""Check that stored rows follow the rules that always hold."""

import sys
from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from conversations.domain.integrity.check import RULES, find_breaches

from ._arguments import find_organization
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Check stored rows against the rules in docs/architecture.md. Prints a line for each "
        "breach: the rule, the row's id and what is wrong. The exit status is 1 if there is one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--organization", metavar="NAME", help="check only rows of this organization"
        )

    def handle(self, *, organization: str | None, **options: Any) -> None:
        tenant = find_organization(organization) if organization else None
        count = 0
        rules = tqdm(RULES, unit=" rules", disable=None, leave=False)
        for breach in find_breaches(tenant, rules):
            self.result(f"{breach.rule}: {breach.row}: {breach.problem}")
            count += 1
        self.remark(f"{len(RULES)} rules checked; breaches: {count}.")
        if count:
            sys.exit(1)
