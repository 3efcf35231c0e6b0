"""``/v1/files``: OpenAI's files, and a report on what a training file holds."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.datastructures import FormData
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from argosy import datasets
from argosy.api.context import Platform, PlatformParts
from argosy.api.file_scope import FilesCaller, check_upload, check_visible, visible_purposes
from argosy.api.uploads import read_upload, too_large
from argosy.core import Invalid
from argosy.datasets import SNIFF_BYTES, UPLOAD_LIMIT_BYTES, File
from argosy.identity import Caller

router = APIRouter(prefix="/v1/files", tags=["files"])

_TEXT_PURPOSES = ("fine-tune", "batch", "evals")
_PURPOSES = (*_TEXT_PURPOSES, "user_data")
_CHUNK = 1 << 20
_FILENAME_LENGTH = 200
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(_PURPOSES)},
                    },
                }
            }
        },
    }
}


@router.post("", openapi_extra=_UPLOAD_BODY)
async def upload_file(request: Request, platform: PlatformParts, caller: FilesCaller) -> dict[str, Any]:
    """Upload a file of at most 100 MB. A training file is checked line by line when a job uses it, or by its report."""
    form = await read_upload(request, UPLOAD_LIMIT_BYTES)
    try:
        upload, purpose = _fields(form)
        check_upload(caller, purpose)
        stored = await run_in_threadpool(_store, platform, caller.project_id, upload, purpose)
    finally:
        await form.close()
    return _wire(stored)


@router.get("")
def list_files(
    platform: PlatformParts,
    caller: FilesCaller,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    purpose: str | None = None,
    order: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """List the project's files, newest first; ``after`` is the last id of the page before."""
    with platform.database.read() as tx:
        purposes = visible_purposes(caller, purpose)
        found = datasets.list_files(tx, caller.project_id, limit=limit + 1, after=after, purposes=purposes, order=order)
    page = [_wire(file) for file in found[:limit]]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(found) > limit,
    }


@router.get("/{file_id}")
def retrieve_file(file_id: str, platform: PlatformParts, caller: FilesCaller) -> dict[str, Any]:
    """One file, without its content."""
    return _wire(_find(platform, caller, file_id))


@router.delete("/{file_id}")
def delete_file(file_id: str, platform: PlatformParts, caller: FilesCaller) -> dict[str, Any]:
    """Delete a file. Dataset versions that jobs made from it stay, for the lineage of their models."""
    with platform.database.write() as tx:
        check_visible(caller, datasets.find_file(tx, caller.project_id, file_id))
        datasets.delete_file(tx, caller.project_id, file_id)
    return {"id": file_id, "object": "file", "deleted": True}


@router.get("/{file_id}/content", response_class=FileResponse)
def download_file(file_id: str, platform: PlatformParts, caller: FilesCaller) -> FileResponse:
    """The content of a file, byte for byte as it was uploaded."""
    file = _find(platform, caller, file_id)
    return FileResponse(
        platform.blobs.path(file.digest),
        media_type="application/octet-stream",
        filename=file.filename,
        headers={"X-Content-Type-Options": "nosniff"},  # a browser must not take an upload for a page of ours
    )


@router.get("/{file_id}/report")
def report_on_file(file_id: str, platform: PlatformParts, caller: FilesCaller) -> dict[str, Any]:
    """What a training file holds, and all that is wrong with it, as a job would find."""
    file = _find(platform, caller, file_id)
    report = datasets.validate_sft(platform.blobs.path(file.digest))
    return {"object": "file.report", "file_id": file.id, **report.to_json()}


def _find(platform: Platform, caller: Caller, file_id: str) -> File:
    with platform.database.read() as tx:
        return check_visible(caller, datasets.find_file(tx, caller.project_id, file_id))


def _fields(form: FormData) -> tuple[UploadFile, str]:
    """The file and its purpose. Raises Invalid for what is missing, and for what would be ignored."""
    upload, purpose = form.get("file"), form.get("purpose")
    if not isinstance(upload, UploadFile):
        raise Invalid("The field 'file' is missing, or has no file name.", code="missing_file", param="file")
    if purpose not in _PURPOSES:
        raise Invalid(f"The purpose must be one of {', '.join(_PURPOSES)}.", code="invalid_purpose", param="purpose")
    if extra := form.keys() - {"file", "purpose"}:
        name = min(extra)
        raise Invalid(f"The field '{name[:40]}' is not supported.", code="unsupported_parameter", param=name[:40])
    return upload, str(purpose)


def _store(platform: Platform, project_id: str, upload: UploadFile, purpose: str) -> File:
    if (upload.size or 0) > UPLOAD_LIMIT_BYTES:
        raise too_large(UPLOAD_LIMIT_BYTES)
    start = upload.file.read(SNIFF_BYTES)
    if purpose in _TEXT_PURPOSES:
        datasets.check_text(start)
    elif not start:
        raise Invalid("The file is empty.", code="empty_file", param="file")
    upload.file.seek(0)
    digest, size_bytes = platform.blobs.put(_chunks(upload))
    with platform.database.write() as tx:
        return datasets.add_file(tx, project_id, _filename(upload.filename or ""), purpose, size_bytes, digest)


def _chunks(upload: UploadFile) -> Iterator[bytes]:
    while chunk := upload.file.read(_CHUNK):
        yield chunk


def _filename(given: str) -> str:
    """The last part of the name, printable and of a sane length: it is shown to people and sent back in a header."""
    name = PureWindowsPath(PurePosixPath(given).name).name
    return re.sub(r"[\x00-\x1f\x7f]", "", name)[-_FILENAME_LENGTH:] or "upload"


def _wire(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }
