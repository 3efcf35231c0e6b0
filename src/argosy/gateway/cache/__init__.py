"""Answers that are kept: the same question of the same project to the same model gets the same answer, for free.

`key` says when two questions are the same, `entry` what is kept, `shelf` where, `replay` and `fold` turn a whole answer
into a stream and back; `AnswerCache` holds the threads, and `Saving` is one request's business with it.
"""

from argosy.gateway.cache.answers import AnswerCache
from argosy.gateway.cache.modes import MODES, CacheModes, Mode
from argosy.gateway.cache.saving import Saving, look
from argosy.gateway.cache.store import put_mode, stored_mode

__all__ = ["MODES", "AnswerCache", "CacheModes", "Mode", "Saving", "look", "put_mode", "stored_mode"]
