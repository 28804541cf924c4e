"""Embed passages that have no vector."""

import asyncio
from typing import Any

from django.core.management.base import CommandError, CommandParser

from conversations.conf import conf
from conversations.domain.archives.embedding import retry_all
from conversations.models import Passage
from conversations.runtime.embeddings import embed_pending

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Embed the passages that are due, which workers also do. Stop it at any time; the next "
        "call continues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--retry",
            action="store_true",
            help="also those that were given up, or that wait after a failure",
        )

    def handle(self, *, retry: bool, **options: Any) -> None:
        if not conf.PROVIDERS:
            raise CommandError("No provider is configured (PROVIDERS)")
        if retry:
            self.remark(f"{retry_all(Passage.objects.all())} passages have no vector")
        before = _embedded()
        asyncio.run(_embed_all())
        waiting = Passage.objects.live().filter(embed_at__isnull=False).count()
        self.result(f"Embedded {_embedded() - before} passages; {waiting} wait for a later attempt")


def _embedded() -> int:
    count: int = Passage.objects.filter(dimensions__isnull=False).count()
    return count


async def _embed_all() -> None:
    while await embed_pending():
        pass
