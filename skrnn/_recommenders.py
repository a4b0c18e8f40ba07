"""NextItemRecommender: a network that says which item a session goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from skrnn._next_tokens import CONSTRAINTS, BaseNextToken
from skrnn._sequences import Sequences, offsets_of
from skrnn._sessions import Kind, array_of_items, kind_of, read_items, read_sessions
from skrnn._texts import choose_tokens, count_tokens
from skrnn._validation import draft_of

if TYPE_CHECKING:
    from skrnn._streaming import StreamState

__all__ = ["NextItemRecommender"]

K_OF_SCORE = 20
NUMBERS_IN_A_BLOCK = 2**22  # of outputs that are held at a time


class NextItemRecommender(BaseNextToken):
    r"""Gated recurrent unit that says which items a session goes on with.

    A session is a list of items that somebody clicked on, heard or bought, one after
    the other. The network reads them and says how probable each known item is to be the
    next one; nothing but the session is known of the person. Sessions may differ in
    length.

    Parameters
    ----------
    hidden_size : int, default=128
        Number of hidden units per layer.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    dropout : float in [0, 1), default=0.5
        Share of features dropped between layers and before the head while training, the
        same ones at all steps of a session. Also acts with one layer.
    min_count : int, default=1
        Items that come up less often in the training sessions are unknown: they are
        read, but never recommended. Sessions count with their weights, rounded up.
    max_items : int or None, default=None
        Largest number of items that are learned, the most frequent ones; others are
        unknown.
    embedding : int, "auto" or array of shape (n_items, size), default="auto"
        How many numbers stand for an item, "auto" 1.6 times the 0.56th power of their
        number, 64 at most; or the vectors that training begins with, in the order of
        ``items_``. They decay 30 times as fast as other weights.
    item_dropout : float in [0, 1), default=0.2
        Share of the items read that are taken for unknown while training, so that the
        network learns what to make of these.
    bptt : int, default=64
        Items that are read before each update. The state is carried to the next ones
        of the session, gradients are not (truncated backpropagation through time,
        Williams & Peng 1990, doi:10.1162/neco.1990.2.4.490).
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
        Number of passes over the training sessions. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=16
        Largest number of sessions in an update. A session that is longer than its share
        of all of them, or than 16 times ``bptt``, is cut into parts, which are read
        side by side, each as if a session began there. Identical sessions count as one,
        with their weights added.
    early_stopping : bool, default=False
        Whether to stop when ``valid_loss`` has not fallen for ``n_iter_no_change``
        epochs, and to go back to the weights with the lowest.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training sessions set aside for ``early_stopping`` if ``fit`` gets
        no ``X_val``.
    n_iter_no_change : int, default=10
        Number of epochs without a lower ``valid_loss`` before ``early_stopping`` acts.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the fitted weights instead of new ones. New items
        are unknown then.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        Where to train and predict: "cpu", "cuda", "cuda:1", "mps", or "auto", which is
        "cpu" if there is no GPU, and of several the one that the fewest processes use.
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see numbers of items.
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
    items_ : ndarray of shape (n_items,)
        The items that can be recommended, sorted: whole numbers, or objects that are
        strings.
    classes_ : ndarray of shape (n_items,)
        The same.
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_sessions, n_steps, 1), numbers of items,
        gives outputs of shape (n_sessions, n_steps, n_items).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch. Losses are means over items, in nats.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_categories_ : ndarray of shape (1,)
        Number of items, with the mark of the beginning.

    See Also
    --------
    leave_last_out : Holds the last items of sessions out.
    skrnn.metrics.make_next_item_scorer : Recall and mean reciprocal rank for searches.
    GRULanguageModel : Foresees the end, too, and draws whole sequences.

    Notes
    -----
    This is the network of [1]_ with the loss of a softmax over all items:

    .. math::
        p(i_{t+1} | i_1, \dots, i_t) = \mathrm{softmax}(W h_t + b), \quad
        h_t = \mathrm{GRU}(e_{i_t}, h_{t-1})

    A session begins with a mark, so that its first item is foreseen, too; its end is
    not. No items are sampled to compare with the true one, as is usual where there are
    millions: the loss is exact, and a batch needs memory for ``batch_size * bptt *
    n_items`` numbers, some times over. The loss is the mean over all known items.

    References
    ----------
    .. [1] Hidasi, Karatzoglou, Baltrunas & Tikk (2016), Session-based Recommendations
       with Recurrent Neural Networks, ICLR, arXiv:1511.06939.

    Examples
    --------
    >>> from skrnn import NextItemRecommender
    >>> sessions = [["tea", "cup", "milk"], ["cup", "tea", "spoon"], ["tea", "cup"]] * 5
    >>> model = NextItemRecommender(hidden_size=16, lr=1e-2, random_state=0)
    >>> model.fit(sessions).recommend([["tea", "cup"], ["cup", "tea"]], k=1)
    array([['milk'], ['spoon']], dtype=object)
    >>> model.rank([["cup", "tea"]], ["spoon"])  # at which place is the spoon?
    array([1.])
    """

    _cell = "gru"
    _estimator_type_of_tags = "recommender"
    _n_marks = 0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{k: rule for k, rule in CONSTRAINTS.items() if k != "word_dropout"},
        "item_dropout": CONSTRAINTS["word_dropout"],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "max_items": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        num_layers: int = 1,
        dropout: float = 0.5,
        min_count: int = 1,
        max_items: int | None = None,
        embedding: Any = "auto",
        item_dropout: float = 0.2,
        bptt: int = 64,
        lr: float = 3e-3,
        lr_schedule: str = "one_cycle",
        optimizer: Any = "adamw",
        weight_decay: float = 1e-2,
        max_grad_norm: float | None = 1.0,
        max_epochs: int | str = "auto",
        batch_size: int = 16,
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
        self.min_count = min_count
        self.max_items = max_items
        self.embedding = embedding
        self.item_dropout = item_dropout
        self.bptt = bptt
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

    @property
    def classes_(self) -> NDArray[Any]:
        """What may come next: the items."""
        return self.items_

    @property
    def word_dropout(self) -> float:  # type: ignore[override]  # only read
        """What other networks call ``item_dropout``."""
        return self.item_dropout

    def fit(  # type: ignore[override]  # there is no y_val
        self, X: Any, y: Any = None, sample_weight: Any = None, X_val: Any = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions to learn from. Items are strings or whole numbers.
        y : None
            Ignored.
        sample_weight : array of shape (n_sessions,) or None, default=None
            Weights of the sessions; weight k is the same as k copies. None is 1.
        X_val : like X, or None, default=None
            Sessions to compute ``valid_loss`` on after each epoch. With
            ``early_stopping=True`` they take the place of the part split off X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or a weight has a value that cannot be used, or a session
            is empty. What was fitted before is kept.
        TypeError
            If X holds something else than sessions of items of one type.
        """
        return super().fit(X, None, sample_weight, X_val)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch at a constant learning rate.

        The first call learns the items; others that come later are unknown.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions to learn from.
        y : None
            Ignored.
        sample_weight : array of shape (n_sessions,) or None, default=None
            Weights of the sessions; None is 1.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter, X or a weight cannot be used, or no item of X is known. What
            was fitted before is kept.
        TypeError
            If X holds something else than sessions of items of one type.
        """
        return self._partial_fit_draft(X, None, sample_weight)

    def recommend(
        self, X: Any, k: int = 10, *, exclude_seen: bool = False
    ) -> NDArray[Any]:
        """Recommend the items that are most probable next.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far. An empty one gets what sessions begin with.
        k : int, default=10
            How many items.
        exclude_seen : bool, default=False
            Whether items that a session holds already are left out.

        Returns
        -------
        items : ndarray of shape (n_sessions, k)
            The best ones first; of equally probable ones those that come first in
            ``items_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If there are fewer than ``k`` items, or with ``exclude_seen=True`` fewer
            than ``k`` that a session does not hold; the message names the session.
        TypeError
            If X holds something else than sessions of items of the type of ``items_``.
        """
        fitted = self._fitted()
        n_items = fitted._n_tokens()
        if not isinstance(k, Integral) or not 1 <= k <= n_items:
            raise ValueError(
                f"k is {k!r}, expected a count from 1 to {n_items}, the number of "
                "items that fit has learned."
            )
        codes = fitted._codes_of(X, empty=True)
        seen = [each[each >= 0] for each in codes]
        if exclude_seen:
            left = n_items - np.array([len(np.unique(each)) for each in seen])
            place = int(left.argmin())
            if left[place] < k:
                raise ValueError(
                    f"X[{place}] holds all but {left[place]} of the {n_items} items, "
                    f"so that exclude_seen=True leaves fewer than k={k}: use "
                    + (f"k={left[place]} or " if left[place] else "")
                    + "exclude_seen=False."
                )
        ranked = np.empty((len(codes), int(k)), dtype=np.int64)
        embeddings = fitted._embed_last(fitted._begun(codes))
        for rows, outputs in fitted._outputs_of(embeddings):
            if exclude_seen:
                for row, items in zip(outputs, seen[rows], strict=True):
                    row[items] = -np.inf
            ranked[rows] = [best(row, int(k)) for row in outputs]
        found: NDArray[Any] = fitted.items_[ranked]
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable next item of each session.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far. An empty one gets what sessions begin with.

        Returns
        -------
        items : ndarray of shape (n_sessions,)
            Out of ``items_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If X holds something else than sessions of items of the type of ``items_``.
        """
        found: NDArray[Any] = self.recommend(X, k=1)[:, 0]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each item to be the next one.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far. An empty one gets what sessions begin with.

        Returns
        -------
        probabilities : ndarray of shape (n_sessions, n_items)
            In the order of ``items_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If X holds something else than sessions of items of the type of ``items_``.
        """
        fitted = self._fitted()
        sequences = fitted._begun(fitted._codes_of(X, empty=True))
        found = np.empty((len(sequences), fitted._n_tokens()))
        for rows, outputs in fitted._outputs_of(fitted._embed_last(sequences)):
            found[rows] = fitted._decode(outputs)
        return found

    def rank(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Find at which place of all recommendations the true next items stand.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far, or whole sessions if there is no ``y``.
        y : list or array of items of shape (n_sessions,) or None, default=None
            What came next in each session. None asks for all items of X but the first
            of each session, each from those before it.

        Returns
        -------
        ranks : ndarray of shape (n_sessions,), or (n_items_asked_for,) without y
            1 if an item would be recommended first, 2 if second; infinity if it is
            unknown. Without ``y`` one session after the other.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If ``y`` has more or fewer items than X sessions, or without ``y`` no
            session has a second item.
        TypeError
            If X or ``y`` hold something else than items of the type of ``items_``.
        """
        fitted = self._fitted()
        codes = fitted._codes_of(X, empty=True)
        sequences = fitted._begun(codes)
        if y is None:
            embeddings = fitted._embed_steps(sequences)
            asked = np.ones(len(embeddings), dtype=bool)  # but from mark and last item
            asked[sequences.offsets[:-1]] = asked[sequences.offsets[1:] - 1] = False
            embeddings = embeddings[asked]
            true = np.concatenate([each[1:] for each in codes])
            if len(true) == 0:
                raise ValueError(
                    "No session in X has a second item, so that there is nothing to "
                    "foresee: pass longer sessions, or what came next as y."
                )
        else:
            items = read_items(y, "y", fitted._kind())
            if len(items) != len(codes):
                raise ValueError(
                    f"y has {len(items)} items for {len(codes)} sessions in X: pass "
                    "the one that came next in each."
                )
            embeddings, true = fitted._embed_last(sequences), fitted._numbers_of(items)
        ranks = np.empty(len(true))
        places = np.arange(fitted._n_tokens())
        for rows, outputs in fitted._outputs_of(embeddings):
            wanted = true[rows, None]
            score = np.take_along_axis(outputs, np.maximum(wanted, 0), axis=1)
            before = (outputs > score) | ((outputs == score) & (places < wanted))
            ranks[rows] = 1 + before.sum(axis=1)
        ranks[true < 0] = np.inf
        return ranks

    def score(self, X: Any, y: Any = None) -> float:
        """Compute the recall at 20: how often the next item is among 20 recommended.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far, or whole sessions if there is no ``y``.
        y : list or array of items of shape (n_sessions,) or None, default=None
            What came next in each session. None asks for all items of X but the first
            of each session, each from those before it.

        Returns
        -------
        recall : float
            Between 0 and 1. Unknown items count as missed.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If ``y`` has more or fewer items than X sessions, or without ``y`` no
            session has a second item.
        TypeError
            If X or ``y`` hold something else than items of the type of ``items_``.
        """
        ranks = self.rank(X, y)
        n_items = len(self.items_)
        if n_items <= K_OF_SCORE:
            warnings.warn(
                f"score is Recall@{K_OF_SCORE}, but there are only {n_items} items: "
                "all of them are recommended. Use make_next_item_scorer of "
                "skrnn.metrics with a smaller k.",
                UserWarning,
                stacklevel=2,
            )
        return float(np.mean(ranks <= K_OF_SCORE))

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Compute an embedding of each session: the outputs after its last item.

        Parameters
        ----------
        X : list of lists or arrays of items
            The sessions so far, which may be empty.

        Returns
        -------
        embedding : ndarray of shape (n_sessions, hidden_size)
            What the head of the network sees after the last item.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If X holds something else than sessions of items of the type of ``items_``.
        """
        fitted = self._fitted()
        sequences = fitted._begun(fitted._codes_of(X, empty=True))
        return fitted._embed_last(sequences).astype(np.float64)

    def step(
        self, x: Any, state: StreamState
    ) -> tuple[NDArray[np.float64], StreamState]:
        """Read one more item of each session, as it comes from a live source.

        Costs the same however long a session has become. Runs on the CPU.

        Parameters
        ----------
        x : list or array of items of shape (n_sequences,)
            The next item of each session.
        state : StreamState
            What ``initial_state`` or the last ``step`` gave. It is left as it is.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences, n_items)
            Of what comes next, in the order of ``items_``.
        state : StreamState
            Where the sessions stand now.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If there are more or fewer items than sessions, or the state is not of a
            network of this form.
        TypeError
            If the state is something else, or ``x`` holds something else than items of
            the type of ``items_``.
        """
        fitted = draft_of(self)
        stepper = fitted._stepper()
        stepper.check_state(state)
        items, n_sequences = read_items(x, "x", fitted._kind()), state.hidden.shape[2]
        if len(items) != n_sequences:
            raise ValueError(
                f"x has {len(items)} items, but the state is that of {n_sequences} "
                "sessions: pass the next item of each."
            )
        codes = fitted._numbers_of(items)[:, None].astype(stepper.dtype)
        outputs, state = stepper.read(codes, state)
        return fitted._decode(outputs.astype(np.float64)), state

    # --- items ----------------------------------------------------------------------

    def _learn_tokens(self, X: Any, sample_weight: Any) -> None:
        sessions = read_sessions(X)
        refuse_empty(sessions)
        counts = count_tokens(sessions, sample_weight)
        chosen = choose_tokens(counts, self.min_count, self.max_items, "item")
        self.items_ = array_of_items(sorted(chosen))

    def _n_tokens(self) -> int:
        return len(self.items_)

    def _kind(self) -> Kind | None:
        return kind_of(self.items_[0])

    def _codes_of(self, X: Any, empty: bool = False) -> list[NDArray[np.int64]]:
        sessions = read_sessions(X, self._kind())
        if not empty:
            refuse_empty(sessions)
        codes = self._numbers_of([*chain.from_iterable(sessions)])
        ends = offsets_of([len(session) for session in sessions])[1:-1]
        return np.split(codes, ends)

    def _numbers_of(self, items: list[Any]) -> NDArray[np.int64]:
        """Find the places of items in ``items_``, -1 for unknown ones."""
        if not items:
            return np.empty(0, dtype=np.int64)
        wanted = array_of_items(items)
        places = np.searchsorted(self.items_, wanted)
        places = np.minimum(places, len(self.items_) - 1)
        return np.where(self.items_[places] == wanted, places, -1)

    def _pair_steps(self, sequences: Sequences, y: Any, weight: Any) -> tuple[Any, Any]:
        targets, weights = super()._pair_steps(sequences, y, weight)
        if not targets.shares.any():
            raise ValueError(
                "X holds none of the items that fit has learned: there is nothing to "
                "learn from. New items need a new fit."
            )
        return targets, weights

    # --- the network ------------------------------------------------------------------

    def _embed_steps(self, sequences: Sequences) -> NDArray[Any]:
        from skrnn._running import run_module

        return run_module(self.module_, sequences, "embedding")

    def _embed_last(self, sequences: Sequences) -> NDArray[Any]:
        from skrnn._running import run_to_end

        return run_to_end(self.module_, sequences, "embedding")

    def _outputs_of(
        self, embeddings: NDArray[Any]
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Run the head: some rows, and their outputs (n_rows, n_items)."""
        from skrnn._running import run_head

        n_rows = max(1, NUMBERS_IN_A_BLOCK // self._n_tokens())
        for start in range(0, len(embeddings), n_rows):
            rows = slice(start, start + n_rows)
            outputs = run_head(self.module_, embeddings[rows])
            yield rows, outputs.astype(np.float64)


def refuse_empty(sessions: list[list[Any]]) -> None:
    """Name the first session without items."""
    if not all(sessions):
        raise ValueError(
            f"X[{sessions.index([])}] is an empty session: drop it, there is nothing "
            "to learn from."
        )


def best(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Find the places of the k largest, the largest first, of equal ones the first."""
    least = np.partition(scores, -k)[-k]
    places = np.flatnonzero(scores >= least)
    found: NDArray[np.int64] = places[np.argsort(-scores[places], kind="stable")][:k]
    return found
