"""Reading an uploaded file from a multipart body that may be far too large, without holding it in memory."""

import errno
from collections.abc import AsyncGenerator

from fastapi import Request
from fastapi.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from argosy.core import Invalid, OutOfSpace, TooLarge

_ENVELOPE_BYTES = 1 << 16
"""What a body has beside the file: part headers and the other fields."""
_DRAIN_BYTES_MAX = 1 << 30


async def read_upload(request: Request, limit_bytes: int) -> FormData:
    """The fields of a multipart body with one file, which is kept on disk beyond 1 MiB.

    Raises TooLarge once the body is longer than a file of ``limit_bytes`` allows, Invalid if it is not multipart, and
    OutOfSpace. The caller closes the form.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Invalid("Send the file as multipart/form-data, as OpenAI's clients do.", code="not_multipart")
    try:
        return await MultiPartParser(request.headers, _bounded(request, limit_bytes), max_files=1, max_fields=8).parse()
    except MultiPartException as error:
        raise Invalid(f"The upload cannot be read: {error.message}", code="invalid_multipart") from error
    except ClientDisconnect as error:
        raise Invalid(
            "The upload broke off before its end; nothing of it was kept.", code="upload_broke_off"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(
                "There is no room on the disk for this upload. Free some and try again.", code="disk_full"
            ) from error
        raise


async def _bounded(request: Request, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's pieces; a body that is too long is read to its end and dropped before it is refused.

    Answering while the client still sends would break the connection, and most clients would then report that instead
    of the answer.
    """
    allowed, received = limit_bytes + _ENVELOPE_BYTES, 0
    declared = request.headers.get("content-length", "")
    refused = declared.isdigit() and int(declared) > allowed
    async for chunk in request.stream():
        received += len(chunk)
        refused = refused or received > allowed
        if received > allowed + _DRAIN_BYTES_MAX:
            break
        if not refused:
            yield chunk
    if refused:
        raise too_large(limit_bytes)


def too_large(limit_bytes: int) -> TooLarge:
    """The error for a file over the limit."""
    return TooLarge(
        f"The file is larger than {limit_bytes / 1e6:,.0f} MB. Send fewer rows, or several smaller files.",
        code="file_too_large",
        param="file",
    )
