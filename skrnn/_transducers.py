"""Seq2SeqTransducer: sequences of tokens become other sequences of tokens."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
)

from skrnn._base import BaseNetwork
from skrnn._categories import size_of
from skrnn._params import CONSTRAINTS_OF_TOKENS
from skrnn._sequences import Sequences, offsets_of
from skrnn._step_targets import StepTargets
from skrnn._texts import (
    OF_TEXTS,
    Cutter,
    choose_tokens,
    count_tokens,
    cutter_of,
    numbers_of,
    places_of,
)
from skrnn._training_set import TrainingSet
from skrnn.metrics import exact_match_score

if TYPE_CHECKING:
    from skrnn._attending import TransducerModule
    from skrnn._decoding import Candidate
    from skrnn._net import Net
    from skrnn._settings import Kind, Settings

__all__ = ["Seq2SeqTransducer"]

OF_VECTORS = {"embedding", "word_dropout"}


class Seq2SeqTransducer(BaseNetwork):
    r"""Encoder and decoder with attention: texts become other texts.

    An encoder reads a text in both directions. A decoder writes another one token by
    token, and looks at the tokens of the first that matter for the next of the second.
    So dates become dates in another form, letters sounds, sentences other sentences.
    Texts are cut into characters or words, or come as lists of tokens.

    Parameters
    ----------
    hidden_size : int, default=128
        Number of hidden units per layer and direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    dropout : float in [0, 1), default=0.1
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a sequence. Also acts with one layer.
    level : {"word", "char"}, default="char"
        What a text is cut into. Lists are taken as they are, one item for each token.
    lowercase : bool, default=False
        Whether texts are brought to lower case.
    token_pattern : str, default=r"\w+|[^\w\s]"
        Regular expression of a word, with ``level="word"``.
    min_count : int, default=1
        Tokens that come up less often in the training texts are unknown.
    beam_size : int, default=4
        How many candidates are written side by side, 1000 at most; 1 takes the most
        probable token each time.
    max_length : int or None, default=None
        Most tokens that are written; None is twice as many as the longest target in
        ``fit`` has.
    lr : float, default=3e-3
        Step size of the optimiser, the largest one if there is a schedule.
    lr_schedule : {"one_cycle", "cosine", "constant"}, default="one_cycle"
        How ``lr`` changes from update to update: up from 4 % during the first quarter
        and then down to 0 like a cosine, only down, or not at all.
    optimizer : str or torch optimizer class, default="adamw"
        What makes the updates: "adamw", "adam", "sgd", "rmsprop" or a class from
        ``torch.optim``.
    weight_decay : float, default=1e-2
        Weight decay of the optimiser.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger norm (over all weights) are shortened to it; None leaves
        them.
    max_epochs : int or "auto", default="auto"
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of sequences in an update. Identical sequences with identical
        targets count as one, with their weights added.
    early_stopping : bool, default=False
        Whether to stop when ``valid_loss`` has not fallen for ``n_iter_no_change``
        epochs, and to go back to the weights with the lowest.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training sequences set aside for ``early_stopping`` if ``fit`` gets
        no ``X_val``.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the fitted weights instead of new ones.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", "mps", or "auto", which is
        "cpu" if there is no GPU, and of several the one that the fewest processes use.
        "accelerate": processes started by torchrun share each batch.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see targets as the network does: scaled, or
        codes of classes.
    net_params : dict or None, default=None
        More parameters for ``skorch.NeuralNet``, for example ``{"optimizer__betas":
        (0.9, 0.99)}``.
    checkpoint : str, path or None, default=None
        A file that a fit writes its state to, about once a second, and removes at the
        end. If it is there already, of a fit with the same data and parameters that was
        killed, ``fit`` goes on from it and gives what it would have given, to the bit;
        of another fit, it is refused. Needs a ``random_state``, and safetensors;
        ``callbacks`` begin anew. One file is for one fit: leave it None in a search or
        a vote, whose clones would share it.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initial weights, dropout and shuffling. None draws one from numpy's
        global generator.
    verbose : int, default=0
        1 prints the losses after each epoch, 2 also shows a progress bar.

    Attributes
    ----------
    source_tokens_ : ndarray of str of shape (n_source_tokens,)
        The tokens of X, in the order of their numbers.
    target_tokens_ : ndarray of str of shape (n_target_tokens,)
        The tokens of y, in the order of their numbers.
    longest_ : int
        How many tokens the longest target has.
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_texts, n_steps, 1), ``written`` of shape
        (n_texts, n_written, 1), both numbers of tokens, and ``lengths`` of shape
        (n_texts,) give outputs of shape (n_texts, n_written, n_target_tokens + 1).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_categories_ : ndarray of shape (1,)
        Number of tokens of X.

    See Also
    --------
    GRUTagger : One label for each token.
    GRULanguageModel : Texts without a source.
    skrnn.metrics.bleu_score : What translations are measured by.

    Notes
    -----
    With outputs :math:`e_s` of the encoder and :math:`d_t` of the decoder, which begins
    with a map of the last outputs of both directions of the encoder [1]_,

    .. math::
        a_{ts} &= \operatorname{softmax}_s(d_t^\top W_a e_s) \\
        \tilde d_t &= \tanh(W_c [\textstyle\sum_s a_{ts} e_s ; d_t] + b_c)

    and a linear head and a softmax make probabilities of the next token of
    :math:`\tilde d_t` (the "general" attention of [2]_, which the state of the decoder
    does not see). While training, the decoder reads the true tokens (teacher forcing);
    the loss is the mean of the negative logarithms of their probabilities. ``predict``
    writes by beam search [3]_: of all candidates that are one token longer, the best
    are kept. Of those that have ended, the one with the highest mean logarithm over its
    tokens is taken.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation, doi:10.3115/v1/D14-1179.
    .. [2] Luong, Pham & Manning (2015), Effective Approaches to Attention-based Neural
       Machine Translation, doi:10.18653/v1/D15-1166.
    .. [3] Sutskever, Vinyals & Le (2014), Sequence to Sequence Learning with Neural
       Networks, arXiv:1409.3215.

    Examples
    --------
    >>> from itertools import product
    >>> from skrnn import Seq2SeqTransducer
    >>> words = ["".join(letters) for letters in product("abc", repeat=4)]
    >>> turned = [word[::-1].upper() for word in words]
    >>> model = Seq2SeqTransducer(hidden_size=32, lr=1e-2, random_state=0)
    >>> model.fit(words[::2], turned[::2]).predict(["cabb", "abcb"])
    array(['BBAC', 'BCBA'], dtype=object)
    >>> round(model.score(words[1::2], turned[1::2]), 1)
    1.0
    """

    _cell = "gru"
    bidirectional = True
    scale_inputs = None
    categorical_features = "auto"
    embedding = "auto"
    init = "orthogonal"
    missing = "error"
    loss = "log_loss"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{k: v for k, v in CONSTRAINTS_OF_TOKENS.items() if k not in OF_VECTORS},
        **OF_TEXTS,
        "beam_size": [Interval(Integral, 1, 1000, closed="both")],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        num_layers: int = 1,
        dropout: float = 0.1,
        level: Literal["word", "char"] = "char",
        lowercase: bool = False,
        token_pattern: str = r"\w+|[^\w\s]",
        min_count: int = 1,
        beam_size: int = 4,
        max_length: int | None = None,
        lr: float = 3e-3,
        lr_schedule: str = "one_cycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-2,
        max_grad_norm: float | None = 1.0,
        max_epochs: int | str = "auto",
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        dtype: str = "float32",
        device: str = "auto",
        engine: str = "auto",
        callbacks: Any = None,
        net_params: dict[str, Any] | None = None,
        checkpoint: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.level = level
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_count = min_count
        self.beam_size = beam_size
        self.max_length = max_length
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.dtype = dtype
        self.device = device
        self.engine = engine
        self.callbacks = callbacks
        self.net_params = net_params
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts to learn from, or their tokens.
        y : list of str, or of lists of str
            What each of them becomes. May be empty.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the pairs; weight k is the same as k copies. None is 1.
        X_val, y_val : like X and y, or None, default=None
            Pairs to compute ``valid_loss`` on after each epoch. With
            ``early_stopping=True`` they take the place of the part split off X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight has a value that cannot be used. What was
            fitted before is kept.
        TypeError
            If X or y holds something else than texts and tokens.
        """
        return super().fit(X, y, sample_weight, X_val, y_val)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch at a constant learning rate.

        The first call learns the tokens; others that come later are unknown, and
        nothing is learned of them in y.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts to learn from, or their tokens.
        y : list of str, or of lists of str
            What each of them becomes.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the pairs; None is 1.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight cannot be used. What was fitted before is
            kept.
        TypeError
            If X or y holds something else than texts and tokens.
        """
        return self._partial_fit_draft(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[np.object_]:
        """Predict what texts become.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        y : ndarray of shape (n_texts,)
            An array of objects: texts or lists of tokens, as they were in ``fit``; of
            the candidates of ``predict_candidates`` the first.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens.
        TypeError
            If X holds something else than texts and tokens.
        """
        candidates = self.predict_candidates(X)
        found = np.empty(len(candidates), dtype=object)
        found[:] = [each[0][0] for each in candidates]
        return found

    def predict_candidates(self, X: Any) -> list[list[tuple[Any, float]]]:
        """Predict what texts may become, and how probable that is.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        candidates : list of list of tuple
            For each text up to ``beam_size`` candidates with the logarithms of their
            probabilities, the best first: that with the highest mean over its tokens.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens.
        TypeError
            If X holds something else than texts and tokens.
        """
        fitted = self._fitted()
        return [
            [(fitted._join(one.codes), one.log_probability) for one in candidates]
            for candidates in fitted._search(X)
        ]

    def score_samples(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Compute the logarithm of the probability of each target after its source.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.
        y : list of str, or of lists of str
            What each of them may become.

        Returns
        -------
        log_probabilities : ndarray of shape (n_texts,)
            The sum over the tokens of a target, and its end, in nats. Minus infinity if
            it holds a token that no target in ``fit`` had.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens, or X and y have different lengths.
        TypeError
            If X or y holds something else than texts and tokens.
        """
        from skrnn._decoding import log_probabilities

        fitted = self._fitted()
        sources, codes = fitted._read_pairs(X, y)
        said = log_probabilities(fitted.module_, sources, codes)
        return np.array([each.sum() for each in said])

    def attention(self, X: Any, y: Any = None) -> NDArray[np.object_]:
        """Compute which tokens of a text the network looks at while it writes.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.
        y : list of str, or of lists of str, or None, default=None
            What is written; None takes what ``predict`` gives.

        Returns
        -------
        shares : ndarray of shape (n_texts,)
            An array of objects: for each text an array of shape (n_written_i + 1,
            n_tokens_i), whose rows, one for each token written and one for the end, add
            up to 1.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens, or X and y have different lengths.
        TypeError
            If X or y holds something else than texts and tokens.
        """
        from skrnn._decoding import attention

        fitted = self._fitted()
        if y is None:
            sources = fitted._read_sequences(X, reset=False)
            codes = [np.array(best.codes, np.int64) for best, *_ in fitted._search(X)]
        else:
            sources, codes = fitted._read_pairs(X, y)
        shares = attention(fitted.module_, sources, codes)
        found = np.empty(len(shares), dtype=object)
        found[:] = shares
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the share of texts that become exactly what they should.

        Tokens are compared: with ``level="word"`` spaces do not count, and with
        ``lowercase=True`` capital letters do not.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.
        y : list of str, or of lists of str
            What each of them should become.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the pairs; None is 1.

        Returns
        -------
        score : float
            The share of exact matches.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens, or X and y have different lengths.
        TypeError
            If X or y holds something else than texts and tokens.
        """
        fitted = self._fitted()
        lists = cutter_of(fitted).cut(y, empty=True, name="y")
        written = [fitted._tokens_of(best.codes) for best, *_ in fitted._search(X)]
        return exact_match_score(lists, written, sample_weight=sample_weight)

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Compute an embedding of each text, of which the decoder's state is made.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        embedding : ndarray of shape (n_texts, 2 * hidden_size)
            The last outputs of both directions of the encoder.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens.
        TypeError
            If X holds something else than texts and tokens.
        """
        from skrnn._decoding import embed_sources

        fitted = self._fitted()
        return embed_sources(fitted.module_, fitted._read_sequences(X, reset=False))

    @property
    def module_(self) -> TransducerModule:  # type: ignore[override]  # its own kind
        """The fitted network, a ``torch.nn.Module``."""
        return cast("TransducerModule", self.net_.sequence_module)

    # --- tokens -------------------------------------------------------------------

    def _read_training_set(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any = None
    ) -> TrainingSet:
        if reset:
            self._cut_by = Cutter.of(self)._asdict()
            counts = count_tokens(cutter_of(self).cut(X), sample_weight)
            self.source_tokens_ = self._choose(counts)
        data = super()._read_training_set(X, y, sample_weight, reset, classes)
        if reset:
            self._of_lists = not isinstance(next(iter(y)), str)
        return data

    def _choose(self, counts: Any) -> NDArray[np.object_]:
        return np.array(choose_tokens(counts, self.min_count, None), dtype=object)

    def _read_sequences(self, X: Any, reset: bool) -> Sequences:
        if reset:
            self.n_categories_ = np.array([len(self.source_tokens_)])
            self._categorical = "auto"
            self._n_step_features = 1
        places = places_of(self.source_tokens_)
        codes = numbers_of(cutter_of(self).cut(X), places)
        values = np.concatenate(codes).astype(self._dtype_of_net())[:, None]
        offsets = offsets_of([len(each) for each in codes])
        return Sequences(values, offsets, ["token"], [len(places)])

    def _pair_steps(self, sequences: Sequences, y: Any, weight: Any) -> tuple[Any, Any]:
        """Cut targets into tokens; they are read as strings until these are known."""
        lists = cutter_of(self).cut(y, empty=True, name="y")
        if len(lists) != len(sequences):
            raise ValueError(
                f"y has {len(lists)} values for {len(sequences)} sequences in X: found "
                "input variables with inconsistent numbers of samples."
            )
        return lists, weight

    def _read_target(
        self, y: Any, weights: NDArray[np.float64], classes: Any
    ) -> StepTargets:
        counts = count_tokens(y, weights)
        if not +counts:  # what has no weight has the count 0
            raise ValueError("All targets in y are empty: there is nothing to learn.")
        self.target_tokens_ = self._choose(counts)
        self.longest_ = max(len(t) for t, w in zip(y, weights, strict=True) if w > 0)
        return self._encode_target(y, weights)

    def _encode_target(self, y: Any, weights: NDArray[np.float64]) -> StepTargets:
        codes = numbers_of(y, places_of(self.target_tokens_))
        mark = len(self.target_tokens_)
        values = np.concatenate([part for each in codes for part in (each, [mark])])
        offsets = offsets_of([len(each) + 1 for each in codes])
        return StepTargets(values, (values >= 0).astype(np.float64), offsets)

    def _tokens_of(self, codes: list[int]) -> list[str]:
        """Give the tokens that were written."""
        return [str(self.target_tokens_[code]) for code in codes]

    def _join(self, codes: list[int]) -> Any:
        """Give a target in the form in which targets came to ``fit``."""
        tokens = self._tokens_of(codes)
        return tokens if self._of_lists else cutter_of(self).join(tokens)

    def _read_pairs(self, X: Any, y: Any) -> tuple[Sequences, list[NDArray[np.int64]]]:
        """Read texts, and the codes of targets, -1 for tokens that no target had."""
        sources = self._read_sequences(X, reset=False)
        lists, _ = self._pair_steps(sources, y, None)
        return sources, numbers_of(lists, places_of(self.target_tokens_))

    def _search(self, X: Any) -> list[list[Candidate]]:
        """Find the best candidates of each text; parameters may be new since fit."""
        from skrnn._decoding import search

        asked = {"beam_size": self.beam_size, "max_length": self.max_length}
        rules = {name: self._parameter_constraints[name] for name in asked}
        validate_parameter_constraints(rules, asked, type(self).__name__)
        sources = self._read_sequences(X, reset=False)
        length = 2 * self.longest_ if self.max_length is None else self.max_length
        return search(self.module_, sources, int(self.beam_size), int(length))

    # --- the network ---------------------------------------------------------------

    def _target_kind(self) -> Kind:
        return "classes"

    def _n_module_outputs(self) -> int:
        return len(self.target_tokens_) + 1

    def _decode(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return outputs

    def _make_module(self, config: dict[str, Any], seed: int, longest: Any) -> Any:
        from skrnn._attending import make_transducer

        return make_transducer(config, seed)

    def _module_config(self, data: TrainingSet, old: Net | None) -> dict[str, Any]:
        n_sources, n_outputs = len(self.source_tokens_), self._n_module_outputs()
        return {
            "cell": self._cell,
            "n_sources": n_sources,
            "n_outputs": n_outputs,
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "dropout": float(self.dropout),
            "vectors": (size_of(n_sources, "auto"), size_of(n_outputs, "auto")),
            "dtype": self.dtype,
            "engine": self.engine,
        }

    def _settings(
        self, max_epochs: int, lr_schedule: str, or_cpu: bool = False
    ) -> Settings:
        settings = super()._settings(max_epochs, lr_schedule, or_cpu)
        return replace(settings, per_step=True, paired=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "transducer"
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags
