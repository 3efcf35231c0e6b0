"""The data that ships with the catalog: a folder for each kind of thing, in it one small TOML file for each thing."""

import tomllib
from importlib import resources
from typing import TypeVar

import msgspec

T = TypeVar("T")


def read_folder(folder: str, kind: type[T]) -> list[T]:
    """All things of a folder, in the order of their files' names. Raises ValueError with the file and the field."""
    found = []
    files = resources.files("argosy.catalog").joinpath(folder).iterdir()
    for file in sorted(files, key=lambda file: file.name.removesuffix(".toml")):
        if file.name.endswith(".toml"):
            try:
                found.append(read_text(file.read_text("utf-8"), kind))
            except ValueError as error:
                raise ValueError(f"{folder}/{file.name}: {error}") from error
    return found


def read_text(text: str, kind: type[T]) -> T:
    """One thing from its TOML. Raises ValueError that names the field at fault."""
    return msgspec.convert(tomllib.loads(text), kind)
