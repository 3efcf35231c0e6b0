"""Where an adapter comes from: enough to make it again, and to prove what it was made of."""

import subprocess
from functools import cache
from pathlib import Path

import msgspec

import argosy


class Lineage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What went into an adapter. Stored beside it, and never changed."""

    base: str
    """Name of the base model's card."""
    base_digest: str
    """SHA-256 of the base's weights file that it was trained on."""
    dataset_digest: str
    """Digest of the dataset version's canonical rows."""
    job: str
    """Id of the fine-tuning job."""
    code_version: str
    """As `code_version` gives it."""
    hyperparameters: dict[str, int | float | str | bool | None]
    """Those that were used, not those that were asked for: "auto" is resolved."""
    checkpoint_step: int | None = None
    """The step for a checkpoint, None for the finished adapter."""


@cache
def code_version() -> str:
    """The version of this code, with the commit where it runs from a git checkout: ``0.1.0+1a2b3c4d5e6f.dirty``."""
    folder = Path(argosy.__file__).parent
    # A checkout has this very file under version control; an installation inside some other repository does not.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return argosy.__version__
    commit = _git(folder, "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=.dirty")
    return f"{argosy.__version__}+{commit}" if commit else argosy.__version__


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None if there is no git, no repository or no answer."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
