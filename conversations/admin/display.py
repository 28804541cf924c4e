"""What cells and panels are made of. Everything here escapes."""

import json

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from ..domain.diffs import DiffPart, text_diff

CONTEXT = 40  # characters of unchanged text kept on each side of a change


def url_of(row) -> str:
    """The row's page in the admin."""
    return reverse(f"admin:conversations_{row._meta.model_name}_change", args=[quote(row.pk)])


def list_url(model_name: str, query: str = "") -> str:
    return reverse(f"admin:conversations_{model_name}_changelist") + query


def link(row, text: str = ""):
    """A link to a row's page; a dash when there is no row."""
    return format_html('<a href="{}">{}</a>', url_of(row), text or str(row)) if row else "-"


def badge(kind: str, text: str = ""):
    """A coloured word; `console.css` knows the kinds."""
    return format_html('<span class="badge badge-{}">{}</span>', kind, text or kind)


def diff(old: str, new: str):
    """What changed, with a little of the text around it."""
    if old == new:
        return format_html('<span class="quiet">{}</span>', "same text")
    tags = {"same": "span", "added": "ins", "removed": "del"}
    pieces = [_shortened(piece) for piece in text_diff(old, new)]
    drawn = format_html_join(
        "",
        "<{0}>{1}</{0}>{2}",
        (
            (tags[piece.change], piece.text, "\n" if _starts_a_line(piece, after) else "")
            for piece, after in zip(pieces, [*pieces[1:], None], strict=True)
        ),
    )
    return format_html('<div class="diff">{}</div>', drawn)


def _starts_a_line(piece: DiffPart, after: DiffPart | None) -> bool:
    """Whether several lines replace others, which then don't run into each other."""
    replaced = after is not None and (piece.change, after.change) == ("removed", "added")
    return replaced and not piece.text.endswith("\n") and "\n" in piece.text + after.text


def _shortened(piece: DiffPart) -> DiffPart:
    kept = CONTEXT if piece.change == "same" else 10 * CONTEXT
    if len(piece.text) <= 2 * kept:
        return piece
    return piece._replace(text=f"{piece.text[:kept]} … {piece.text[-kept:]}")


def pretty(value) -> str:
    """JSON for reading."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def tokens_of(usage):
    """The total, as the model counted."""
    total = usage.get("total_tokens")
    return "-" if total is None else f"{total:,}"
