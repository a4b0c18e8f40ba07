"""Recurrent networks as ordinary sktime classifiers and regressors of panels.

An sktime estimator cannot be a scikit-learn estimator as well: both have a ``fit`` and
their own idea of X, of ``clone`` and of tags. So there are two sets of classes with one
core. The classes here have the names of the scikit-learn classes at the top of
``skrnn``, as sktime's own ``GRUClassifier`` lives beside others of that name: the
namespace says whose rules hold, and messages, which name the class, are right for both.
Where both are used, ``from skrnn import panel`` and ``panel.GRUClassifier`` tell them
apart.
"""

from skrnn.panel._classifiers import GRUClassifier, LSTMClassifier, RNNClassifier
from skrnn.panel._regressors import GRURegressor, LSTMRegressor, RNNRegressor

__all__ = [
    "GRUClassifier",
    "GRURegressor",
    "LSTMClassifier",
    "LSTMRegressor",
    "RNNClassifier",
    "RNNRegressor",
]
