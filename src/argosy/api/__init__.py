"""The HTTP face: OpenAI's routes and the platform's own, one body for all errors, health, metrics, OpenAPI.

Completions are plain ASGI, for speed; everything else is FastAPI.
"""

from argosy.api.application import create_app
from argosy.api.context import Platform
from argosy.api.door import DoorLimits
from argosy.api.server import serve

__all__ = ["DoorLimits", "Platform", "create_app", "serve"]
