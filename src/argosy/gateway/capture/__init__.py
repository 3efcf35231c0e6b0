"""Requests and answers that a project has kept, to be rated, corrected and trained on: off unless it says so.

`spec` says which, `record` what of them, `capturing` writes, `store` keeps, `chat` makes training rows of them.
"""

from argosy.gateway.capture.capturing import Capture
from argosy.gateway.capture.spec import CaptureSpec
from argosy.gateway.capture.sweeping import Sweeper

__all__ = ["Capture", "CaptureSpec", "Sweeper"]
