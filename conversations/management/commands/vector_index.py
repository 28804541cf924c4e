"""Create the indexes of the vectors of passages."""

from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, connection

from conversations.models import Passage
from conversations.models.archives import (
    INDEXED_DIMENSIONS,
    MAX_INDEXED_DIMENSIONS,
    vector_index_sql,
)

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Create pgvector's extension and an index for each length of stored vectors. Needed when "
        "pgvector was installed after `migrate`, and for uncommon lengths. Writes go on meanwhile."
    )

    def handle(self, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has an index for vectors")
        lengths = Passage.objects.exclude(dimensions=None).order_by("dimensions")
        stored = lengths.values_list("dimensions", flat=True).distinct()
        with connection.cursor() as cursor:
            try:
                cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except DatabaseError as error:
                raise CommandError(f"pgvector is not available: {str(error).strip()}") from None
            for dimensions in sorted({*INDEXED_DIMENSIONS, *stored}):
                if dimensions > MAX_INDEXED_DIMENSIONS:
                    self.remark(f"{dimensions} numbers are too many for an index")
                    continue
                cursor.execute(vector_index_sql(dimensions, concurrently=True))
                self.result(f"Vectors of {dimensions} numbers have an index")
