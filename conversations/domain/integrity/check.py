"""Find stored rows that break the rules of docs/architecture.md.

The verbs and the database's constraints keep these rules. Rows that break one come from elsewhere:
SQL, a restored backup, a script that saves models.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ...models import Organization
from ..snapshots import snapshot
from .organizations import mixed_organizations
from .prompts import PROMPT_RULES
from .rows import ROW_RULES, BrokenRow

RULES: dict[str, Callable[[Organization | None], Iterator[BrokenRow]]] = {
    **ROW_RULES,
    **PROMPT_RULES,
    "organizations_never_mix": mixed_organizations,
}


class Breach(NamedTuple):
    """A row that breaks a rule, by its id, and how it does."""

    rule: str
    row: str
    problem: str


def find_breaches(
    organization: Organization | None = None, rules: Iterable[str] = tuple(RULES)
) -> Iterator[Breach]:
    """Yield the breaches of these rules in one organization, or in all. Writes nothing."""
    with snapshot():
        for name in rules:
            for broken in RULES[name](organization):
                yield Breach(name, *broken)
