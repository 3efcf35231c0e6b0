"""The main job, as a client of the public HTTP API: a hundred examples become a deployed, measured, billed model.

It starts a platform in a home of its own and talks to it with OpenAI's SDK, as any client would. `story.py` reads as
the story.
"""

from argosy.demo.options import DemoOptions
from argosy.demo.story import run

__all__ = ["DemoOptions", "run"]
