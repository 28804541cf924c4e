"""Sections of the prompt. Texts of blocks are data: they can neither open nor close one."""

import re
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

# Labels that can be the name of a section.
_NAME = re.compile(r"[a-zA-Z0-9_-][a-zA-Z0-9_/-]*(?<!/)")
# Names that no label takes: the sections of `prompt.py` and those of V1's prompts.
RESERVED = (
    "base_instructions",
    "block",
    "description",
    "directories",
    "directory",
    "file",
    "file_limits",
    "instructions",
    "label",
    "memory_blocks",
    "memory_metadata",
    "metadata",
    "value",
)
_TAG = re.compile(r"</?(\w[\w:.-]*)")


def section(name: str, text: str) -> str:
    """Return a section with its tags on lines of their own."""
    return f"<{name}>\n{text}\n</{name}>"


def label_section(label: str, text: str) -> str:
    """Return the section of a label, which is named like the label if that is unambiguous."""
    if names_section(label):
        return section(label, text)
    return f"<block label={quoteattr(label)}>\n{text}\n</block>"


def names_section(label: str) -> bool:
    """Return whether the section of a label is named like the label."""
    return label.lower() not in RESERVED and _NAME.fullmatch(label) is not None


class Neutralizer:
    """Makes tags harmless in texts of blocks. Tags that name no section keep their bytes.

    Args:
        system: the system prompt; the tags in it name sections, too.
        labels: those of all blocks in the prompt.
    """

    def __init__(self, system: str, labels: Iterable[str]):
        names = map(re.escape, {*RESERVED, *_TAG.findall(system), *filter(names_section, labels)})
        self._pattern = rf"<(?=[^\w<>]*(?:{'|'.join(sorted(names))})(?!\w))"

    def __call__(self, text: str) -> str:
        """Return the text with `&lt;` for each `<` before the name of a section."""
        if "<" not in text:  # The pattern is compiled only if there is a use for it.
            return text
        return re.sub(self._pattern, "&lt;", text, flags=re.IGNORECASE)
