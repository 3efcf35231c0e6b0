"""The data that Argosy shows itself with: an invented retail table in English and Chinese, labelled requests for
charts of it (train, dev, three held-out thirds), and four demonstration requests. See retail/README.md for the
conventions that the labels follow.
"""

from argosy.samples.rows import (
    HELD_OUT,
    LANGUAGES,
    Language,
    Message,
    Row,
    Split,
    few_shot,
    held_out,
    rows,
    split_file,
    system_prompt,
    table_path,
    train_file,
)

__all__ = [
    "HELD_OUT",
    "LANGUAGES",
    "Language",
    "Message",
    "Row",
    "Split",
    "few_shot",
    "held_out",
    "rows",
    "split_file",
    "system_prompt",
    "table_path",
    "train_file",
]
