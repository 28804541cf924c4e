"""Print the audit log."""

import csv
import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from conversations.domain.audit import event_data
from conversations.models import AuditAction, AuditEvent

from ._arguments import find_organization
from ._command import OperatorCommand


def moment(text: str) -> datetime:
    """Parse a date or a time in ISO 8601; without an offset it is in UTC."""
    try:
        day = parse_date(text)
        found = datetime.combine(day, datetime.min.time()) if day else parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise ArgumentTypeError(f"expected a date or a time in ISO 8601, got {text!r}")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


class Command(OperatorCommand):
    help = "Print the events of the audit log, oldest first, as JSON lines or CSV."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--organization", metavar="NAME", help="only of this organization")
        add("--action", choices=list(map(str, AuditAction)), help="only of this kind")
        add("--since", type=moment, metavar="TIME", help="only from this date or time on")
        add("--until", type=moment, metavar="TIME", help="only before this date or time")
        add("--format", choices=["jsonl", "csv"], default="jsonl", help="(default: jsonl)")

    def handle(self, *, organization: str | None, format: str, **options: Any) -> None:
        events = AuditEvent.objects.order_by("created_at", "id")
        if organization:
            events = events.in_organization(find_organization(organization))
        names = {"action": "action", "since": "created_at__gte", "until": "created_at__lt"}
        events = events.filter(
            **{lookup: options[name] for name, lookup in names.items() if options[name]}
        )
        rows = map(event_data, events.iterator(chunk_size=500))
        if format == "jsonl":
            for row in rows:
                self.result(json.dumps(row, ensure_ascii=False))
            return
        writer = csv.writer(self.stdout, lineterminator="")
        columns = list(event_data(AuditEvent()))
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value or "")
