"""What cells and panels consist of. Everything here escapes its text."""

import json
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..domain.diffs import DiffPart, text_diff

# A display function of a model admin: it takes the admin and a row.
Column = Callable[[Any, Any], SafeString | str]

MAX_CONTEXT = 40  # characters of unchanged text shown on each side of a change


def list_url(model_name: str, query: str = "") -> str:
    """Return the URL of a model's list."""
    return reverse(f"admin:conversations_{model_name}_changelist") + query


def link(row: Model | None, text: str = "") -> SafeString | str:
    """Return a link to a row's page; a dash for None."""
    if row is None:
        return "-"
    url = reverse(f"admin:conversations_{row._meta.model_name}_change", args=[quote(row.pk)])
    return format_html('<a href="{}">{}</a>', url, text or str(row))


def link_to(path: str, *, text: str = "", ordering: str | None = None) -> Column:
    """Return a column that links to a related row, such as "conversation.agent".

    `text` is the path of the link's text if that is not the related row's name.
    """

    @admin.display(description=path.rpartition(".")[2], ordering=ordering)
    def column(model_admin: Any, row: Any) -> SafeString | str:
        return link(attrgetter(path)(row), attrgetter(text)(row) if text else "")

    return column


def json_panel(field: str, description: str) -> Column:
    """Return a read-only field that shows a JSON value."""

    @admin.display(description=description)
    def panel(model_admin: Any, row: Any) -> SafeString:
        return preformatted(format_json(getattr(row, field)))

    return panel


def badge(kind: str, text: str = "") -> SafeString:
    """Return a coloured word; console.css defines the kinds."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, text or kind)


def preformatted(text: str) -> SafeString:
    """Return a text with its line breaks."""
    return format_html('<pre class="text">{}</pre>', text)


def diff(old: str, new: str) -> SafeString:
    """Return the changes from one text to another, with a little unchanged text around them."""
    if old == new:
        return format_html('<span class="quiet">{}</span>', "No difference.")
    tags = {"same": "span", "added": "ins", "removed": "del"}
    parts = [_shortened(part) for part in text_diff(old, new)]
    html = format_html_join(
        "",
        "<{0}>{1}</{0}>{2}",
        (
            (tags[part.change], part.text, "\n" if _needs_line_break(part, after) else "")
            for part, after in zip(parts, [*parts[1:], None], strict=True)
        ),
    )
    return format_html('<div class="diff">{}</div>', html)


def _needs_line_break(part: DiffPart, after: DiffPart | None) -> bool:
    """Return whether removed lines would run into the added lines that replace them."""
    if after is None or (part.change, after.change) != ("removed", "added"):
        return False
    return not part.text.endswith("\n") and "\n" in part.text + after.text


def _shortened(part: DiffPart) -> DiffPart:
    kept = MAX_CONTEXT if part.change == "same" else 10 * MAX_CONTEXT
    if len(part.text) <= 2 * kept:
        return part
    return part._replace(text=f"{part.text[:kept]} … {part.text[-kept:]}")


def excerpt(text: str, length: int = 120) -> str:
    """Return the beginning of a text."""
    return f"{text[:length]}…" if len(text) > length else text


def format_json(value: object) -> str:
    """Return indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def format_tokens(usage: dict[str, Any]) -> str:
    """Return the total tokens that the model reported."""
    total = usage.get("total_tokens")
    return "-" if total is None else f"{total:,}"
