"""Recurrent networks as ordinary scikit-learn estimators."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from skrnn._classifiers import GRUClassifier, LSTMClassifier, RNNClassifier
    from skrnn._exporting import step_extras, step_state
    from skrnn._inputs import as_sequences
    from skrnn._language_models import (
        GRULanguageModel,
        LSTMLanguageModel,
        RNNLanguageModel,
    )
    from skrnn._onnx import to_onnx
    from skrnn._preprocessing import SequenceScaler
    from skrnn._recommenders import NextItemRecommender
    from skrnn._regressors import GRURegressor, LSTMRegressor, RNNRegressor
    from skrnn._saving import ModelFileError, load, save
    from skrnn._sequence_regressors import (
        GRUSequenceRegressor,
        LSTMSequenceRegressor,
        RNNSequenceRegressor,
    )
    from skrnn._sequences import Sequences
    from skrnn._sessions import leave_last_out
    from skrnn._taggers import GRUTagger, LSTMTagger, RNNTagger
    from skrnn._tokens import TokenEncoder
    from skrnn._torch import to_torch
    from skrnn._transducers import Seq2SeqTransducer
    from skrnn._windows import make_windows

_HOMES = {
    "GRUClassifier": "_classifiers",
    "GRULanguageModel": "_language_models",
    "GRURegressor": "_regressors",
    "GRUSequenceRegressor": "_sequence_regressors",
    "GRUTagger": "_taggers",
    "LSTMClassifier": "_classifiers",
    "LSTMLanguageModel": "_language_models",
    "LSTMRegressor": "_regressors",
    "LSTMSequenceRegressor": "_sequence_regressors",
    "LSTMTagger": "_taggers",
    "ModelFileError": "_saving",
    "NextItemRecommender": "_recommenders",
    "RNNClassifier": "_classifiers",
    "RNNLanguageModel": "_language_models",
    "RNNRegressor": "_regressors",
    "RNNSequenceRegressor": "_sequence_regressors",
    "RNNTagger": "_taggers",
    "Seq2SeqTransducer": "_transducers",
    "SequenceScaler": "_preprocessing",
    "Sequences": "_sequences",
    "TokenEncoder": "_tokens",
    "as_sequences": "_inputs",
    "leave_last_out": "_sessions",
    "load": "_saving",
    "make_windows": "_windows",
    "save": "_saving",
    "step_extras": "_exporting",
    "step_state": "_exporting",
    "to_onnx": "_onnx",
    "to_torch": "_torch",
}

__all__ = [
    "GRUClassifier",
    "GRULanguageModel",
    "GRURegressor",
    "GRUSequenceRegressor",
    "GRUTagger",
    "LSTMClassifier",
    "LSTMLanguageModel",
    "LSTMRegressor",
    "LSTMSequenceRegressor",
    "LSTMTagger",
    "ModelFileError",
    "NextItemRecommender",
    "RNNClassifier",
    "RNNLanguageModel",
    "RNNRegressor",
    "RNNSequenceRegressor",
    "RNNTagger",
    "Seq2SeqTransducer",
    "SequenceScaler",
    "Sequences",
    "TokenEncoder",
    "as_sequences",
    "leave_last_out",
    "load",
    "make_windows",
    "save",
    "step_extras",
    "step_state",
    "to_onnx",
    "to_torch",
]


def __getattr__(name: str) -> Any:  # names are loaded when first used (PEP 562)
    if name not in _HOMES:
        raise AttributeError(f"module 'skrnn' has no attribute {name!r}")
    return getattr(import_module(f"skrnn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
