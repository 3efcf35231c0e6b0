"""What "auto" becomes: the settings that measured best, as a function of the rows."""

from collections.abc import Sequence

from argosy.tuning.trainers.protocol import Hyperparameters, TrainerSpec
from argosy.tuning.trainers.tokens import Example

BASE_RATE = 2e-3
FROZEN_SHARE = 1 / 3
"""Of the layers, the lowest are left as they are: they cost a sixth of the time, and training them gained nothing that
could be measured (docs/decisions/0010)."""
PRESENTATIONS = 1600
AUTO_BATCH = 8


def resolve(spec: TrainerSpec, examples: Sequence[Example], layers: int, augmented_share: float) -> Hyperparameters:
    """Settle every "auto" of the order, for a base of so many layers."""
    rows = len(examples)
    multiplier = 1.0 if spec.learning_rate_multiplier == "auto" else spec.learning_rate_multiplier
    return Hyperparameters(
        n_epochs=max(1, min(50, round(PRESENTATIONS / rows))) if spec.n_epochs == "auto" else spec.n_epochs,
        batch_size=min(AUTO_BATCH, rows) if spec.batch_size == "auto" else min(spec.batch_size, rows),
        learning_rate_multiplier=multiplier,
        learning_rate=BASE_RATE * multiplier,
        rank=spec.rank,
        alpha=spec.alpha,
        first_layer=int(layers * FROZEN_SHARE),
        augmented_share=augmented_share,
        seed=spec.seed,
    )
