"""Who makes a change, and from where."""

from typing import NamedTuple

from ..models import ApiKey, BlockRevision, Member, Run

Source = BlockRevision.Source


class Actor(NamedTuple):
    """Who makes a change, through what, in which run and with which API key.

    Rows and revisions record the first three, the audit log the last one too. `username` names
    a Django user without a member.
    """

    member: Member | None
    source: Source
    run: Run | None = None
    key: ApiKey | None = None
    username: str = ""

    @property
    def name(self) -> str:
        """The name for people."""
        return self.member.name if self.member else self.username


# What a command or the server itself does.
SERVER = Actor(None, Source.COMMAND)
