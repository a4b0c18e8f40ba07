"""Scores of steps, entities, recommendations and texts, and scorers for searches.

For steps, ``y`` holds one list or array per sequence, as ``predict`` of a tagger gives
them. The names that end in ``_scorer`` go where scikit-learn takes ``scoring=``, and so
does what ``make_next_item_scorer`` makes.
"""

from skrnn._scores_of_items import (
    make_next_item_scorer,
    mrr_at_k,
    recall_at_k,
)
from skrnn._scores_of_steps import (
    entity_f1_score,
    entity_f1_scorer,
    flatten_steps,
    step_accuracy_score,
    step_accuracy_scorer,
    step_f1_score,
    step_f1_scorer,
    step_r2_score,
    step_r2_scorer,
)
from skrnn._scores_of_texts import (
    bleu_score,
    bleu_scorer,
    chrf_score,
    chrf_scorer,
    exact_match_score,
    exact_match_scorer,
)

__all__ = [
    "bleu_score",
    "bleu_scorer",
    "chrf_score",
    "chrf_scorer",
    "entity_f1_score",
    "entity_f1_scorer",
    "exact_match_score",
    "exact_match_scorer",
    "flatten_steps",
    "make_next_item_scorer",
    "mrr_at_k",
    "recall_at_k",
    "step_accuracy_score",
    "step_accuracy_scorer",
    "step_f1_score",
    "step_f1_scorer",
    "step_r2_score",
    "step_r2_scorer",
]
