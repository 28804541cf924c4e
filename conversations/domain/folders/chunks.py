"""Splitting a text into chunks that are embedded and found one by one."""

from collections.abc import Iterator

# In characters: about 300 tokens of English, V1's size.
CHUNK_SIZE = 1_200


def chunks_of(text: str, size: int = CHUNK_SIZE) -> list[str]:
    """Split a text at lines, and longer lines at spaces, into chunks of at most `size` characters.

    Chunks of white space alone are left out.
    """
    chunks, current = [], ""
    for piece in _pieces(text, size):
        if len(current) + len(piece) > size:
            chunks.append(current)
            current = ""
        current += piece
    chunks.append(current)
    return [chunk.strip("\n") for chunk in chunks if chunk.strip()]


def _pieces(text: str, size: int) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        while len(line) > size:
            end = line.rfind(" ", size // 2, size) + 1 or size
            yield line[:end]
            line = line[end:]
        yield line
