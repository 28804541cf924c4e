"""Files: upload them, store what was read from them, delete them."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from ...models import AgentFile, AuditAction, File, FileStatus, Folder
from ...text import replace_unstorable
from ..actor import SERVER, Actor
from ..archives.passages import insert_passages
from ..audit import record
from ..errors import Conflict, DomainError, InvalidValue, QuotaExceeded, UnknownId
from ..memory.writes import memory_write
from ..quotas import check_memory
from .chunks import chunks_of
from .directories import limits_of
from .folders import lock_folder, mark_files_changed

MAX_BYTES = 20 * 2**20
MAX_FILES = 1_000
# Of a file's text, in characters.
MAX_CHARACTERS = 2_000_000
# After it, a claim has expired: its worker was killed.
CLAIM_TIMEOUT = timedelta(minutes=5)
MAX_ATTEMPTS = 3
# The first bytes.
PDF = b"%PDF-"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Duplicate(StrEnum):
    """What becomes of a file whose name the folder has already, as in V1."""

    SUFFIX = "suffix"
    SKIP = "skip"
    ERROR = "error"
    REPLACE = "replace"


class UnsupportedFile(DomainError):
    """The bytes are neither a text nor a PDF."""


class Upload(NamedTuple):
    """A file whose text is to be read."""

    id: str
    name: str
    data: bytes


@memory_write
def upload_file(
    folder: Folder,
    name: str,
    data: bytes,
    *,
    by: Actor,
    media_type: str = "",
    duplicate: Duplicate = Duplicate.SUFFIX,
    custom_name: str | None = None,
) -> File:
    """Store a file, whose text a worker reads. The folder's agents get it, open if they may.

    Args:
        folder: Where to store it.
        name: The name that it has where it comes from.
        data: Its bytes, at most MAX_BYTES.
        by: Who uploads it.
        media_type: As the client says.
        duplicate: What to do if the folder has a file of this name. To skip returns that file.
        custom_name: A name that replaces `name`.
    """
    if len(data) > MAX_BYTES:
        raise InvalidValue("file", f"expected at most {MAX_BYTES} bytes, got {len(data)}")
    if b"\0" in data and not data.startswith((PDF, *UTF16)):
        raise UnsupportedFile(
            f"Unsupported file type: {media_type or 'unknown'} (filename: {name[:100]}). Supported "
            "are PDF, and texts in UTF-8 of any kind: .txt, .md, .json, .csv, code"
        )
    wanted = custom_name or name
    _check_name(wanted)
    folder = lock_folder(folder)
    existing = folder.files.filter(name=wanted).first()
    if existing is not None and duplicate == Duplicate.SKIP:
        found: File = existing
        return found
    if existing is not None and duplicate == Duplicate.ERROR:
        raise Conflict(f"The folder {folder.name!r} already has a file {wanted!r}")
    if existing is not None and duplicate == Duplicate.REPLACE:
        _delete(existing, by=by)
    elif existing is not None:
        wanted = _free_name(wanted, folder.files.values_list("name", flat=True))
    if folder.files.count() >= MAX_FILES:
        raise InvalidValue("file", f"the folder has {MAX_FILES} files, which is the maximum")
    now = timezone.now()
    file: File = File.objects.create(
        organization_id=folder.organization_id,
        folder=folder,
        name=wanted,
        original_name=name[-File.MAX_NAME_LENGTH :],
        media_type=media_type[:200],
        size=len(data),
        upload=data,
        parse_at=now,
        created_by=by.member,
        last_updated_by=by.member,
    )
    links: Any = folder.agent_links.select_related("agent").annotate(
        open_files=Count("agent__file_links", filter=Q(agent__file_links__is_open=True))
    )
    AgentFile.objects.bulk_create(
        AgentFile(
            agent_id=link.agent_id,
            folder_link=link,
            file=file,
            is_open=link.open_files < limits_of(link.agent).files,
        )
        for link in links
    )
    mark_files_changed(folders=folder)
    return file


def claim_upload() -> Upload | None:
    """Claim a file whose text is to be read; None if there is none.

    A file that was claimed too often is given up: reading it seems to kill its worker.
    """
    with transaction.atomic():
        rows = File.objects.due().select_for_update(of=("self",), skip_locked=True, no_key=True)
        file = rows.defer(None).defer("content").order_by("parse_at").first()
        if file is None:
            return None
        if file.parse_attempts < MAX_ATTEMPTS:
            file.parse_attempts += 1
            file.parse_at = timezone.now() + CLAIM_TIMEOUT
            file.save(update_fields=["parse_attempts", "parse_at"])
            return Upload(file.pk, file.original_name, bytes(file.upload or b""))
    store_failure(file.pk, f"Reading it did not end, {MAX_ATTEMPTS} times")
    return None


@memory_write
def store_text(file_id: str, text: str) -> None:
    """Store the text of a claimed file and its chunks, whose vectors follow."""
    file = _lock(file_id)
    if file is None:
        return None
    text = replace_unstorable(text)
    if len(text) > MAX_CHARACTERS:
        reason = f"It has {len(text)} characters of text; at most {MAX_CHARACTERS} are accepted"
        return _fail(file, reason)
    chunks = chunks_of(text)
    archive = file.folder.archive
    try:
        check_memory(file.organization_id, by=SERVER, new=len(text))
    except QuotaExceeded as error:
        return _fail(file, str(error))
    insert_passages(archive, [{"text": chunk} for chunk in chunks], by=SERVER, file=file)
    file.content, file.chunks, file.status = text, len(chunks), FileStatus.PARSED
    file.upload = file.parse_at = None
    file.save(update_fields=["content", "chunks", "status", "upload", "parse_at", "updated_at"])
    mark_files_changed(folders=file.folder)
    return None


@transaction.atomic
def store_failure(file_id: str, reason: str) -> None:
    """Record why the text of a file can't be read."""
    if file := _lock(file_id):
        _fail(file, reason)


@memory_write
def delete_file(file: File, *, by: Actor) -> None:
    """Delete a file with its chunks, also from agents. Unlike memory, it can't be restored."""
    folder = lock_folder(file.folder)
    _delete(file, by=by)
    mark_files_changed(folders=folder)


def _delete(file: File, *, by: Actor) -> None:
    deleted, _ = File.objects.filter(pk=file.pk).delete()
    if not deleted:
        raise UnknownId(File, file.pk)
    record(AuditAction.DELETED, by=by, organization=file.organization_id, about=file)


def _fail(file: File, reason: str) -> None:
    file.status, file.error = FileStatus.ERROR, replace_unstorable(reason)[:1_000]
    file.upload = file.parse_at = None
    file.save(update_fields=["status", "error", "upload", "parse_at", "updated_at"])


def _lock(file_id: str) -> File | None:
    rows = File.objects.select_related("folder__archive")
    locked: File | None = rows.select_for_update(of=("self",), no_key=True).get_or_none(
        pk=file_id, status=FileStatus.PARSING
    )
    return locked


def _check_name(name: str) -> None:
    if not 0 < len(name) <= File.MAX_NAME_LENGTH or "/" in name or not name.isprintable():
        raise InvalidValue(
            "file",
            f"expected a name of 1 to {File.MAX_NAME_LENGTH} printable characters without a "
            f"slash, got {name[:100]!r}",
        )


def _free_name(name: str, taken: Iterable[str]) -> str:
    path, names = PurePosixPath(name), set(taken)
    number = 1
    while (found := f"{path.stem}_({number}){path.suffix}") in names:
        number += 1
    return found
