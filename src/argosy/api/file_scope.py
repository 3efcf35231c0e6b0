"""Which files a caller may use: a key that may only ask models has those of batches, and sees no training data."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from argosy.api.context import identify, platform
from argosy.core import Forbidden, NotFound
from argosy.datasets import File
from argosy.identity import Caller

BATCH_PURPOSES = ("batch", "batch_output")


def _files_caller(request: Request) -> Caller:
    caller = identify(platform(request).keys, request.headers.get("authorization"))
    if not (caller.may("tuning") or caller.may("inference")):
        raise Forbidden(
            "This key has neither the scope 'tuning' nor, for the files of batches, 'inference'. Ask an administrator "
            "for one that has.",
            code="missing_scope",
        )
    return caller


FilesCaller = Annotated[Caller, Depends(_files_caller)]


def visible_purposes(caller: Caller, wanted: str | None) -> Sequence[str] | None:
    """The purposes of the files to list, where ``wanted`` is the one that was asked for; None: all."""
    if caller.may("tuning"):
        return None if wanted is None else (wanted,)
    return [purpose for purpose in BATCH_PURPOSES if wanted in (None, purpose)]


def check_visible(caller: Caller, file: File) -> File:
    """The file. Raises NotFound if the caller may not see it."""
    if file.purpose not in BATCH_PURPOSES and not caller.may("tuning"):
        raise NotFound(f"There is no file '{file.id}' for this key.", code="file_not_found", param="file_id")
    return file


def check_upload(caller: Caller, purpose: str) -> None:
    """Raises Forbidden if the caller may not upload for this purpose."""
    if purpose not in BATCH_PURPOSES and not caller.may("tuning"):
        raise Forbidden(
            f"To upload for '{purpose}' a key needs the scope 'tuning'; this one may upload for 'batch'.",
            code="missing_scope",
        )
