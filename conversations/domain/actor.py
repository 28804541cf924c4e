"""Who makes a change, and from where."""

from typing import NamedTuple

from ..models import BlockRevision, Member, Run

Source = BlockRevision.Source


class Actor(NamedTuple):
    """Who makes a change, through what, and in which run. Rows and revisions record it."""

    member: Member | None
    source: Source
    run: Run | None = None
