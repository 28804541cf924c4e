"""Reading the texts of uploaded files, outside of transactions."""

import asyncio
import sys

from ..domain.folders.files import PDF, UTF16, Upload, claim_upload, store_failure, store_text
from .database import in_database

# How long a PDF may take, in seconds.
PDF_TIMEOUT = 120.0


class Unreadable(Exception):
    """A file has no text; the message says why."""


async def read_pending() -> bool:
    """Read one file that is due; return whether there was one."""
    upload = await in_database(claim_upload)
    if upload is None:
        return False
    try:
        text = await read_text(upload)
    except Unreadable as error:
        await in_database(store_failure, upload.id, str(error))
    else:
        await in_database(store_text, upload.id, text)
    return True


async def read_text(upload: Upload) -> str:
    """Return the text of a PDF, or of a file in UTF-8 or UTF-16. Raises Unreadable."""
    if upload.data.startswith(PDF):
        return await _pdf_text(upload.data)
    is_utf16 = upload.data.startswith(UTF16)
    try:
        text = upload.data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"Expected a PDF or a text in UTF-8: {error}") from None
    if "\0" in text:
        raise Unreadable("Expected a PDF or a text in UTF-8; it has NUL characters")
    return text


async def _pdf_text(data: bytes) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"{__package__}.pdf_text"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PDF_TIMEOUT):
            output, errors = await process.communicate(data)
    except TimeoutError:
        raise Unreadable(f"Reading it takes longer than {PDF_TIMEOUT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = errors.decode("utf-8", "replace").strip().splitlines()
        raise Unreadable(lines[-1] if lines else "Reading it takes too much time or memory")
    text = output.decode("utf-8", "replace")
    if not text.strip():
        raise Unreadable("It has no text; pictures of text are not read")
    return text.replace("\0", "")
