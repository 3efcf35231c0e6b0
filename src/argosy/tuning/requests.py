"""What a caller asks for: OpenAI's body for a new fine-tuning job, checked field by field."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.core import Invalid

_FIELDS = {
    "model", "training_file", "validation_file", "hyperparameters", "method", "seed", "suffix", "metadata",
    "integrations",
}  # fmt: skip
_SUFFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SEED_MAX = 2**31 - 1
_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512


@dataclass(frozen=True)
class JobRequest:
    """A well-formed request. Whether the model and the files exist is not known yet."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    hyperparameters: dict[str, int | float | str]
    metadata: dict[str, str] | None


def read_request(body: object) -> JobRequest:
    """Check a JSON body. Raises Invalid, with the field's name as ``param``."""
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.", code="invalid_body")
    for name in body.keys() - _FIELDS:
        raise Invalid(f"Unknown parameter '{name}'. Known ones: {', '.join(sorted(_FIELDS))}.",
                      code="unknown_parameter", param=name)  # fmt: skip
    if body.get("integrations"):
        raise Invalid("Integrations are not supported; follow the job through its events.",
                      code="unsupported_value", param="integrations")  # fmt: skip
    return JobRequest(
        model=_text(body, "model"),
        training_file=_text(body, "training_file"),
        validation_file=_text(body, "validation_file") if body.get("validation_file") is not None else None,
        suffix=_suffix(body.get("suffix")),
        seed=_seed(body.get("seed")),
        hyperparameters=_hyperparameters(body),
        metadata=_metadata(body.get("metadata")),
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise Invalid(f"'{name}' is missing.", code="missing_parameter", param=name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"'{name}' must be a non-empty string.", code="invalid_type", param=name)
    return value


def _suffix(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _SUFFIX.fullmatch(value):
        raise Invalid("'suffix' must be 1 to 64 letters (a-z, A-Z), digits, dots, hyphens or underscores.",
                      code="invalid_suffix", param="suffix")  # fmt: skip
    return value


def _seed(value: object) -> int:
    if value is None:
        return secrets.randbelow(_SEED_MAX + 1)
    if type(value) is not int or not 0 <= value <= _SEED_MAX:
        raise Invalid(f"'seed' must be a whole number from 0 to {_SEED_MAX}.", code="invalid_value", param="seed")
    return value


def _hyperparameters(body: Mapping[str, Any]) -> dict[str, int | float | str]:
    place, asked = _asked(body)
    bounds = {"n_epochs": (int, 1, 50), "batch_size": (int, 1, 256), "learning_rate_multiplier": (float, 0, 100)}
    _refuse_others(place, asked, set(bounds))
    return {name: _number(f"{place}.{name}", asked.get(name), *bounds[name]) for name in bounds}


def _asked(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The hyperparameters and the place in the body where they stood: the new one, or the old one."""
    new, old = _supervised(body.get("method")).get("hyperparameters"), body.get("hyperparameters")
    if old is not None and new is not None:
        raise Invalid(
            "Give hyperparameters once: in 'method.supervised.hyperparameters'.",
            code="invalid_value",
            param="hyperparameters",
        )
    place = "hyperparameters" if old is not None else "method.supervised.hyperparameters"
    return place, _object(place, old if old is not None else new)


def _supervised(method: object) -> dict[str, Any]:
    """The settings of the only method there is."""
    if method is None:
        return {}
    if not isinstance(method, dict) or not isinstance(method.get("type"), str):
        raise Invalid("'method.type' must be 'supervised'.", code="invalid_type", param="method.type")
    if method["type"] != "supervised":
        raise Invalid(
            f"The method '{method['type']}' is not supported here yet. Use 'supervised'.",
            code="unsupported_value",
            param="method.type",
        )
    _refuse_others("method", method, {"type", "supervised"})
    settings = _object("method.supervised", method.get("supervised"))
    _refuse_others("method.supervised", settings, {"hyperparameters"})
    return settings


def _refuse_others(place: str, given: Mapping[str, Any], known: set[str]) -> None:
    for name in sorted(given.keys() - known):
        raise Invalid(
            f"'{place}.{name}' is not known. Known here: {', '.join(sorted(known))}.",
            code="unknown_parameter",
            param=f"{place}.{name}",
        )


def _object(place: str, value: object) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Invalid(f"'{place}' must be an object.", code="invalid_type", param=place)
    return value or {}


def _number(place: str, value: object, kind: type, low: int, high: int) -> int | float | str:
    if value is None or value == "auto":
        return "auto"
    whole = kind is int
    fits = type(value) is int or (not whole and type(value) is float)
    if not fits or not (low <= value if whole else low < value) or not value <= high:  # type: ignore[operator]
        limits = f"a whole number from {low} to {high}" if whole else f"a number above {low}, at most {high}"
        raise Invalid(f"'{place}' must be 'auto' or {limits}.", code="invalid_value", param=place)
    return value  # type: ignore[return-value]


def _metadata(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    fits = isinstance(value, dict) and len(value) <= _METADATA_PAIRS
    if not fits or not all(_is_pair(key, text) for key, text in value.items()):  # type: ignore[attr-defined]
        raise Invalid(
            f"'metadata' takes at most {_METADATA_PAIRS} pairs of strings: keys up to {_METADATA_KEY} characters, "
            f"values up to {_METADATA_VALUE}.",
            code="invalid_value",
            param="metadata",
        )
    return value  # type: ignore[return-value]


def _is_pair(key: object, text: object) -> bool:
    return isinstance(key, str) and len(key) <= _METADATA_KEY and isinstance(text, str) and len(text) <= _METADATA_VALUE
