"""Aliases: a project's own names for models. None may hide a model's name, and none may stand for another alias."""

import re

from argosy.catalog.registry import cards
from argosy.catalog.store import Alias, list_aliases, list_models, set_alias
from argosy.core import Conflict, Invalid, NotFound
from argosy.runtime import Transaction

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def point_alias(tx: Transaction, project_id: str, name: str, target: str, served: list[str]) -> Alias:
    """Have ``name`` stand for ``target``, which is one of the ``served`` models or an adapter of the project.

    Raises Invalid for an unusable name, Conflict for the name of a model, NotFound for a target that is not there.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            "An alias has 1 to 100 lower-case letters, digits, dots, dashes and underscores.",
            code="invalid_alias",
            param="name",
        )
    if name in cards() or name in served:
        raise Conflict(f"'{name}' is the name of a model, so it cannot be an alias.", code="name_taken", param="name")
    if target in {alias.name for alias in list_aliases(tx, project_id)}:
        raise Invalid(f"'{target}' is an alias itself. Name a model.", code="alias_of_alias", param="target")
    if target not in served and target not in {model.name for model in list_models(tx, project_id)}:
        raise NotFound(
            f"There is no model '{target}' that this project could call. 'argosy models' lists what answers.",
            code="model_not_found",
            param="target",
        )
    return set_alias(tx, project_id, name, target)
