"""Who changes something, and from where."""

from typing import NamedTuple

from ..models import BlockRevision, Member, Run

Source = BlockRevision.Source


class Actor(NamedTuple):
    """Travels through every verb that writes; each revision and row records it."""

    member: Member | None
    source: Source
    run: Run | None = None
