"""Evaluation: graders that say whether an answer is right, and statistics that say what a score is worth.

Pure functions, no I/O. An evaluation here is *quality*; speed is measured by ``bench``. Every score has an interval,
and two models that answered the same items are compared item by item, because that needs far fewer items than two
separate scores.
"""

from argosy.evals.answers import first_object, same_json, whole_object
from argosy.evals.comparison import Comparison, Verdict, compare
from argosy.evals.graders import Grade, exact_match, execution_match, field_match, grade_object
from argosy.evals.intervals import Interval, Score, paired_difference, wilson
from argosy.evals.mcnemar import McNemar, mcnemar
from argosy.evals.power import detectable_difference, items_needed

__all__ = [
    "Comparison",
    "Grade",
    "Interval",
    "McNemar",
    "Score",
    "Verdict",
    "compare",
    "detectable_difference",
    "exact_match",
    "execution_match",
    "field_match",
    "first_object",
    "grade_object",
    "items_needed",
    "mcnemar",
    "paired_difference",
    "same_json",
    "whole_object",
    "wilson",
]
