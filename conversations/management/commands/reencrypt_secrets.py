"""Encrypt stored secrets again, under the newest key."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import models, transaction

from conversations.domain.batches import BATCH_SIZE
from conversations.encryption import SecretUnreadable, reencrypt
from conversations.models.secrets import Secret, SecretField

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Encrypt every stored secret again with the newest of ENCRYPTION_KEYS. Afterwards the "
        "older keys can be removed. After an interruption, run it again."
    )

    def handle(self, **options: Any) -> None:
        count, unreadable = 0, []
        for model, field in _fields():
            rows = model._default_manager.exclude(**{field: None}).order_by("pk")
            last: Any = None
            while batch := list((rows.filter(pk__gt=last) if last else rows)[:BATCH_SIZE]):
                with transaction.atomic():
                    for row in batch:
                        try:
                            secret = Secret(reencrypt(getattr(row, field).token))
                        except SecretUnreadable:
                            unreadable.append(f"{model._meta.db_table} {row.pk}")
                            continue
                        model._default_manager.filter(pk=row.pk).update(**{field: secret})
                        count += 1
                last = batch[-1].pk
        self.remark(f"{count} secrets encrypted again.")
        if unreadable:
            raise CommandError(f"No key fits these; set them again: {', '.join(unreadable)}")


def _fields() -> Iterator[tuple[type[models.Model], str]]:
    """Yield each model with the name of its secret field."""
    for model in apps.get_app_config("conversations").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SecretField):
                yield model, field.attname
