"""Files that users upload, and what becomes of those meant for training: checked line by line, then frozen."""

from argosy.datasets.freezing import freeze
from argosy.datasets.store import (
    DatasetVersion,
    File,
    add_file,
    delete_file,
    find_dataset_version,
    find_file,
    list_files,
)
from argosy.datasets.text import SNIFF_BYTES, UPLOAD_LIMIT_BYTES, check_text, lines_of
from argosy.datasets.validation import ROWS_MIN, Problem, Report, validate_sft

__all__ = [
    "ROWS_MIN",
    "SNIFF_BYTES",
    "UPLOAD_LIMIT_BYTES",
    "DatasetVersion",
    "File",
    "Problem",
    "Report",
    "add_file",
    "check_text",
    "delete_file",
    "find_dataset_version",
    "find_file",
    "freeze",
    "lines_of",
    "list_files",
    "validate_sft",
]
