"""Language models: networks that say, and draw, how a text goes on."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
)

from skrnn._drawing import OF_DRAWS, Draws, draw_tokens
from skrnn._next_tokens import CONSTRAINTS, BaseNextToken
from skrnn._params import spawn_seeds
from skrnn._step_targets import split_steps
from skrnn._texts import OF_TEXTS, Cutter, cutter_of, numbers_of, places_of
from skrnn._tokens import learn_tokens
from skrnn._training_set import check_sample_weight
from skrnn._validation import draft_of

if TYPE_CHECKING:
    from skrnn._streaming import StreamState

__all__ = ["GRULanguageModel", "LSTMLanguageModel", "RNNLanguageModel"]

END, UNKNOWN = "<end>", "<unknown>"


class BaseLanguageModel(BaseNextToken):
    """What the three language models share."""

    _n_marks = 2
    _estimator_type_of_tags = "language_model"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        **OF_TEXTS,
        "max_tokens": [Interval(Integral, 1, None, closed="left"), None],
        "vocabulary": ["array-like", None],
    }

    def __init__(
        self,
        hidden_size: int = 256,
        *,
        num_layers: int = 1,
        dropout: float = 0.1,
        level: Literal["word", "char"] = "char",
        lowercase: bool = False,
        token_pattern: str = r"\w+|[^\w\s]",
        min_count: int = 1,
        max_tokens: int | None = None,
        vocabulary: Any = None,
        embedding: Any = "auto",
        word_dropout: float = 0.0,
        bptt: int = 128,
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
        self.max_tokens = max_tokens
        self.vocabulary = vocabulary
        self.embedding = embedding
        self.word_dropout = word_dropout
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
    def classes_(self) -> NDArray[np.object_]:
        """What may come next: the tokens, the end, and what is unknown."""
        return np.append(self.tokens_, np.array([END, UNKNOWN], dtype=object))

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch at a constant learning rate.

        The first call learns the tokens, unless a ``vocabulary`` is given; others that
        come later are unknown.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts to learn from, or their tokens.
        y : None
            Ignored.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the texts; None is 1.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter, X or a weight cannot be used. What was fitted before is
            kept.
        TypeError
            If X holds something else than texts and tokens.
        """
        return self._partial_fit_draft(X, None, sample_weight)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Compute the logarithm of the probability of each text.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        log_probabilities : ndarray of shape (n_texts,)
            The sum, over all tokens and the end, of the logarithm (in nats) of the
            probability of each after those before it.

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
        sequences = fitted._read_sequences(X, reset=False)
        found = fitted._log_probabilities(sequences)
        totals: NDArray[np.float64] = np.add.reduceat(found, sequences.offsets[:-1])
        return totals

    def score_tokens(self, X: Any) -> NDArray[np.object_]:
        """Compute the logarithm of the probability of each token.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        log_probabilities : ndarray of shape (n_texts,)
            An array of objects: for each text an array of shape (n_tokens_i + 1,), the
            logarithm (in nats) of the probability of each token, and of the end, after
            the tokens before it.

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
        sequences = fitted._read_sequences(X, reset=False)
        found = fitted._log_probabilities(sequences)
        return split_steps(found, sequences.offsets)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Compute the mean logarithm of the probabilities of all tokens.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.
        y : None
            Ignored.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the texts; None is 1.

        Returns
        -------
        score : float
            The mean over all tokens and ends, in nats; the higher the better.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens, or a weight cannot be used.
        TypeError
            If X holds something else than texts and tokens.
        """
        fitted = self._fitted()
        sequences = fitted._read_sequences(X, reset=False)
        weights = check_sample_weight(sample_weight, len(sequences))
        found = fitted._log_probabilities(sequences)
        of_tokens = np.repeat(weights, sequences.lengths)
        return float(np.average(found, weights=of_tokens))

    def perplexity(self, X: Any, sample_weight: Any = None) -> float:
        """Compute the perplexity: among how many tokens the model is as if undecided.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.
        sample_weight : array of shape (n_texts,) or None, default=None
            Weights of the texts; None is 1.

        Returns
        -------
        perplexity : float
            ``exp(-score(X))``; 1 is perfect.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens, or a weight cannot be used.
        TypeError
            If X holds something else than texts and tokens.
        """
        return float(np.exp(-self.score(X, sample_weight=sample_weight)))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probabilities of what comes after each text.

        Parameters
        ----------
        X : list of str, or of lists of str
            Texts, or their tokens, that may go on; "" is the beginning.

        Returns
        -------
        probabilities : ndarray of shape (n_texts, n_classes)
            In the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If X holds something else than texts and tokens.
        """
        fitted = self._fitted()
        return fitted._of_last_step(fitted._begun(fitted._codes_of(X, empty=True)))

    def predict(self, X: Any) -> NDArray[np.object_]:
        """Predict the most probable token after each text.

        Parameters
        ----------
        X : list of str, or of lists of str
            Texts, or their tokens, that may go on; "" is the beginning.

        Returns
        -------
        tokens : ndarray of str of shape (n_texts,)
            Out of ``classes_``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        TypeError
            If X holds something else than texts and tokens.
        """
        fitted = self._fitted()
        found: NDArray[np.object_] = fitted.classes_[
            fitted.predict_proba(X).argmax(axis=1)
        ]
        return found

    def sample(
        self,
        n_samples: int = 1,
        *,
        prefix: Any = "",
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Any = None,
        random_state: Any = None,
    ) -> list[Any]:
        """Draw texts.

        Parameters
        ----------
        n_samples : int, default=1
            How many texts.
        prefix : str or list of str, default=""
            What each of them begins with.
        max_tokens : int, default=200
            Most tokens that are drawn for a text.
        temperature : float, default=1.0
            What logarithms of probabilities are divided by: below 1, texts become more
            usual; 0 takes the most probable token each time.
        top_k : int or None, default=None
            Draw from so many of the most probable tokens only (Fan et al., 2018,
            arXiv:1805.04833).
        top_p : float in (0, 1] or None, default=None
            Draw from the fewest of the most probable tokens only whose probabilities
            reach this sum (Holtzman et al., 2020, arXiv:1904.09751).
        stop : str, list of str or None, default=None
            A text ends before the first of these that is drawn. If texts are lists,
            each is a token.
        random_state : int, RandomState, Generator or None, default=None
            Seed. None draws from numpy's global generator.

        Returns
        -------
        texts : list of str, or of lists of str
            Of the form that ``fit`` has seen; each begins with ``prefix`` and ends
            where the model or ``stop`` ends it, or after ``max_tokens``.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a parameter has a value that cannot be used.
        TypeError
            If ``prefix`` is neither a text nor a list of tokens.

        Notes
        -----
        The same seed gives the same texts, whatever ``n_samples`` is: the first of
        many are those of a few.
        """
        options = {
            "n_samples": n_samples,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "stop": stop,
            "random_state": random_state,
        }
        fitted = self._fitted()
        first = cutter_of(fitted).cut_one(prefix, "prefix")
        drawn = fitted._draw("sample", first, options)
        return [fitted._join_to(prefix, first, rest) for rest in drawn]

    def generate(
        self,
        X: Any,
        *,
        max_tokens: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Any = None,
        random_state: Any = None,
    ) -> list[Any]:
        """Draw how texts go on.

        Parameters
        ----------
        X : list of str, or of lists of str
            How texts begin.
        max_tokens : int, default=200
            Most tokens that are drawn for a text.
        temperature : float, default=1.0
            What logarithms of probabilities are divided by: below 1, texts become more
            usual; 0 takes the most probable token each time.
        top_k : int or None, default=None
            Draw from so many of the most probable tokens only (Fan et al., 2018,
            arXiv:1805.04833).
        top_p : float in (0, 1] or None, default=None
            Draw from the fewest of the most probable tokens only whose probabilities
            reach this sum (Holtzman et al., 2020, arXiv:1904.09751).
        stop : str, list of str or None, default=None
            A text ends before the first of these that is drawn. If texts are lists,
            each is a token.
        random_state : int, RandomState, Generator or None, default=None
            Seed. None draws from numpy's global generator.

        Returns
        -------
        texts : list of str, or of lists of str
            What was drawn for each, without how it begins.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a parameter has a value that cannot be used.
        TypeError
            If X holds something else than texts and tokens.
        """
        options = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "stop": stop,
            "random_state": random_state,
        }
        fitted = self._fitted()
        begun = cutter_of(fitted).cut(X, empty=True)
        drawn = fitted._draw("generate", begun, options)
        return [fitted._join(tokens) for tokens in drawn]

    def step(
        self, x: Any, state: StreamState
    ) -> tuple[NDArray[np.float64], StreamState]:
        """Read one more token of each text, as it comes from a live source.

        Costs the same however long a text has become. Runs on the CPU.

        Parameters
        ----------
        x : list of str of length n_sequences
            The next token of each text.
        state : StreamState
            What ``initial_state`` or the last ``step`` gave. It is left as it is.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences, n_classes)
            Of what comes next, in the order of ``classes_``.
        state : StreamState
            Where the texts stand now.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If there are more or fewer tokens than texts, or the state is not of a
            network of this form.
        TypeError
            If the state is something else, or a token is no string.
        """
        fitted = draft_of(self)
        stepper = fitted._stepper()
        stepper.check_state(state)
        n_sequences = state.hidden.shape[2]
        if isinstance(x, str) or np.ndim(x) == 0 or len(x) != n_sequences:
            raise ValueError(
                f"x is {x!r}, expected a list of {n_sequences} tokens, one for each "
                "text."
            )
        tokens, places = fitted._read_tokens(x), places_at(stepper, fitted.tokens_)
        (codes,) = numbers_of([tokens], places)
        outputs, state = stepper.read(codes[:, None].astype(stepper.dtype), state)
        return fitted._decode(outputs.astype(np.float64)), state

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Compute an embedding of each text: the outputs after its last token.

        Parameters
        ----------
        X : list of str, or of lists of str
            The texts, or their tokens.

        Returns
        -------
        embedding : ndarray of shape (n_texts, hidden_size)
            What the head of the network sees after the last token.

        Raises
        ------
        NotFittedError
            If nothing was fitted yet.
        ValueError
            If a text has no tokens.
        TypeError
            If X holds something else than texts and tokens.
        """
        from skrnn._running import run_to_end

        fitted = self._fitted()
        sequences = fitted._read_sequences(X, reset=False)
        found = run_to_end(fitted.module_, sequences, "embedding")
        return found.astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    # --- tokens -------------------------------------------------------------------

    def _learn_tokens(self, X: Any, sample_weight: Any) -> None:
        if self.vocabulary is not None and self.max_tokens is not None:
            raise ValueError(
                "A given vocabulary is taken as it is: leave max_tokens at None."
            )
        lists = Cutter.of(self).cut(X)
        self.tokens_ = learn_tokens(self, lists, sample_weight)
        named = {END, UNKNOWN} & set(self.tokens_)
        if named:
            raise ValueError(
                f"X or vocabulary holds the token {min(named)!r}, which classes_ has "
                "for something else: give it another name, or leave it out, since the "
                "end of a text and unknown tokens are foreseen without it."
            )
        self._cut_by = Cutter.of(self)._asdict()
        self._of_lists = not any(isinstance(each, str) for each in X)

    def _n_tokens(self) -> int:
        return len(self.tokens_)

    def _codes_of(self, X: Any, empty: bool = False) -> list[NDArray[np.int64]]:
        return numbers_of(cutter_of(self).cut(X, empty), places_of(self.tokens_))

    def _join(self, tokens: list[str]) -> Any:
        """Give tokens in the form in which texts came to ``fit``."""
        return tokens if self._of_lists else cutter_of(self).join(tokens)

    def _join_to(self, prefix: Any, first: list[str], rest: list[str]) -> Any:
        """Join tokens to a prefix, which stays as it was written."""
        if self._of_lists or not isinstance(prefix, str):
            return self._join([*first, *rest])
        cutter = cutter_of(self)
        if cutter.level == "char" or not first:
            return prefix + cutter.join(rest)
        more = cutter.join([first[-1], *rest])[len(first[-1]) :]
        return prefix + (more.lstrip() if prefix[-1].isspace() else more)

    def _draw(
        self, method: str, begun: list[Any], options: dict[str, Any]
    ) -> list[list[str]]:
        """Draw the tokens that follow lists of tokens, or one list several times."""
        rules = {name: OF_DRAWS[name] for name in options}
        validate_parameter_constraints(rules, options, method)
        if "n_samples" in options:
            begun = [begun] * options["n_samples"]
        n_tokens, stepper = self._n_tokens(), self._stepper(begin=True)
        draw = Draws(
            spawn_seeds(options["random_state"], len(begun)),
            options["temperature"],
            options["top_k"],
            options["top_p"],
            never=(n_tokens + 1,),
        )
        codes = numbers_of(begun, places_of(self.tokens_))
        most, stops = options["max_tokens"], self._stops(options["stop"])
        drawn = draw_tokens(stepper, draw, codes, n_tokens, most, stops)
        return [[self.tokens_[code] for code in each] for each in drawn]

    def _stops(self, stop: Any) -> list[list[int]]:
        """Give codes of what ends a text; where texts are lists, it is one token."""
        named = [] if stop is None else [stop] if isinstance(stop, str) else [*stop]
        if not all(isinstance(each, str) for each in named):
            raise TypeError(f"stop is {stop!r}, expected a text or a list of texts.")
        lists = [[each] for each in named]
        if named and not self._of_lists:
            lists = cutter_of(self).cut(named, empty=True, name="stop")
        if not all(lists):
            raise ValueError(
                f"stop is {stop!r}, which holds a text without tokens: nothing could "
                "be seen where it is drawn."
            )
        found = numbers_of(lists, places_of(self.tokens_))
        return [codes.tolist() for codes in found]

    def _read_tokens(self, x: Any) -> list[str]:
        """Read the next token of each text, cut as those of ``fit``."""
        if self._of_lists:
            lists = cutter_of(self).cut([[token] for token in x], name="x")
        else:
            lists = cutter_of(self).cut(x, empty=True, name="x")
        for place, tokens in enumerate(lists):
            if len(tokens) != 1:
                raise ValueError(
                    f"x[{place}] is {x[place]!r}, which is {len(tokens)} tokens, "
                    "expected one: pass them one step after the other."
                )
        return [tokens[0] for tokens in lists]


_places: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()


def places_at(stepper: Any, tokens: NDArray[np.object_]) -> dict[str, int]:
    """Keep the numbers of tokens with what reads them step by step: it is quick."""
    if stepper not in _places:
        _places[stepper] = places_of(tokens)
    return _places[stepper]


class RNNLanguageModel(BaseLanguageModel):
    r"""Elman's recurrent network that learns how texts go on, and writes such.

    Has no gates: the fewest weights per unit, but what happened many tokens ago is soon
    forgotten. A baseline for the LSTM and the GRU. Texts are cut into characters or
    words, or come as lists of tokens.

    Parameters
    ----------
    hidden_size : int, default=256
        Number of hidden units per layer.
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
    max_tokens : int or None, default=None
        Largest number of tokens that are learned, the most frequent ones; others are
        unknown.
    vocabulary : list or array of str or None, default=None
        The tokens, in the order of their numbers; None learns them.
    embedding : int, "auto" or array of shape (n_tokens, size), default="auto"
        How many numbers stand for a token, "auto" 1.6 times the 0.56th power of their
        number, 64 at most; or the vectors that training begins with, in the order of
        ``tokens_``, which a ``vocabulary`` fixes. They decay 30 times as fast as other
        weights.
    word_dropout : float in [0, 1), default=0.0
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    bptt : int, default=128
        Tokens that are read before each update. The state is carried to the next ones
        of the text, gradients are not (truncated backpropagation through time,
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
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of texts in an update. A text that is longer than its share of
        all of them, or than 16 times ``bptt``, is cut into parts, which are read side
        by side. Identical texts count as one, with their weights added.
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
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see numbers of tokens.
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
    tokens_ : ndarray of str of shape (n_tokens,)
        The tokens, in the order of their numbers.
    classes_ : ndarray of str of shape (n_tokens + 2,)
        What may come next: the tokens, "<end>", "<unknown>".
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_texts, n_steps, 1), numbers of tokens,
        gives outputs of shape (n_texts, n_steps, n_tokens + 2).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_categories_ : ndarray of shape (1,)
        Number of tokens, and one more for the mark of the beginning.

    See Also
    --------
    LSTMLanguageModel : A memory cell and three gates.
    GRULanguageModel : Fewer weights per unit, often as good.
    TokenEncoder : Tokens as the input of classifiers and taggers.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math:: h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})

    After the state of each token stands a linear head, whose outputs a softmax turns
    into probabilities of the next one [2]_. A text begins with a mark, the last one of
    the categories that have vectors, and its end is foreseen, too:

    .. math:: \log p(x) = \sum_t \log p(x_t | x_1, \dots, x_{t-1})

    The loss is the mean of the negative terms over all tokens and ends. Where a long
    text is cut into parts, each is read as if a text began there, in training and for
    ``valid_loss``; ``score`` reads whole texts.

    References
    ----------
    .. [1] Elman (1990), Finding Structure in Time, doi:10.1207/s15516709cog1402_1.
    .. [2] Mikolov et al. (2010), Recurrent Neural Network Based Language Model,
       doi:10.21437/Interspeech.2010-343.

    Examples
    --------
    >>> from skrnn import RNNLanguageModel
    >>> verses = ["a rose is a rose", "a rose is red", "is a rose red"] * 4
    >>> model = RNNLanguageModel(hidden_size=32, lr=2e-2, random_state=0).fit(verses)
    >>> model.generate(["a rose is r"], temperature=0)
    ['ed']
    >>> round(model.perplexity(["a rose is a rose"]), 1)
    1.1
    """

    _cell = "rnn"


class LSTMLanguageModel(BaseLanguageModel):
    r"""Long short-term memory network that learns how texts go on, and writes such.

    A model of texts says after each token how probable each next one is. So it tells
    how usual a text is, and draws new ones. Texts are cut into characters or words, or
    come as lists of tokens.

    Parameters
    ----------
    hidden_size : int, default=256
        Number of hidden units per layer.
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
    max_tokens : int or None, default=None
        Largest number of tokens that are learned, the most frequent ones; others are
        unknown.
    vocabulary : list or array of str or None, default=None
        The tokens, in the order of their numbers; None learns them.
    embedding : int, "auto" or array of shape (n_tokens, size), default="auto"
        How many numbers stand for a token, "auto" 1.6 times the 0.56th power of their
        number, 64 at most; or the vectors that training begins with, in the order of
        ``tokens_``, which a ``vocabulary`` fixes. They decay 30 times as fast as other
        weights.
    word_dropout : float in [0, 1), default=0.0
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    bptt : int, default=128
        Tokens that are read before each update. The state is carried to the next ones
        of the text, gradients are not (truncated backpropagation through time,
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
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of texts in an update. A text that is longer than its share of
        all of them, or than 16 times ``bptt``, is cut into parts, which are read side
        by side. Identical texts count as one, with their weights added.
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
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see numbers of tokens.
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
    tokens_ : ndarray of str of shape (n_tokens,)
        The tokens, in the order of their numbers.
    classes_ : ndarray of str of shape (n_tokens + 2,)
        What may come next: the tokens, "<end>", "<unknown>".
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_texts, n_steps, 1), numbers of tokens,
        gives outputs of shape (n_texts, n_steps, n_tokens + 2).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_categories_ : ndarray of shape (1,)
        Number of tokens, and one more for the mark of the beginning.

    See Also
    --------
    GRULanguageModel : Fewer weights per unit, often as good.
    RNNLanguageModel : No gates, fewest weights.
    TokenEncoder : Tokens as the input of classifiers and taggers.

    Notes
    -----
    With input :math:`x_t`, output :math:`h_t` and memory cell :math:`c_t`,

    .. math::
        i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi}) \\
        f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) \\
        g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg}) \\
        o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho}) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    After the state of each token stands a linear head, whose outputs a softmax turns
    into probabilities of the next one [2]_. A text begins with a mark, the last one of
    the categories that have vectors, and its end is foreseen, too:

    .. math:: \log p(x) = \sum_t \log p(x_t | x_1, \dots, x_{t-1})

    The loss is the mean of the negative terms over all tokens and ends. Where a long
    text is cut into parts, each is read as if a text began there, in training and for
    ``valid_loss``; ``score`` reads whole texts.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory,
       doi:10.1162/neco.1997.9.8.1735.
    .. [2] Mikolov et al. (2010), Recurrent Neural Network Based Language Model,
       doi:10.21437/Interspeech.2010-343.

    Examples
    --------
    >>> from skrnn import LSTMLanguageModel
    >>> verses = ["a rose is a rose", "a rose is red", "is a rose red"] * 4
    >>> model = LSTMLanguageModel(hidden_size=32, lr=2e-2, random_state=0).fit(verses)
    >>> model.generate(["a rose is r"], temperature=0)
    ['ed']
    >>> round(model.perplexity(["a rose is a rose"]), 1)
    1.1
    """

    _cell = "lstm"


class GRULanguageModel(BaseLanguageModel):
    r"""Gated recurrent unit that learns how texts go on, and writes such.

    A model of texts says after each token how probable each next one is. So it tells
    how usual a text is, and draws new ones. Texts are cut into characters or words, or
    come as lists of tokens.

    Parameters
    ----------
    hidden_size : int, default=256
        Number of hidden units per layer.
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
    max_tokens : int or None, default=None
        Largest number of tokens that are learned, the most frequent ones; others are
        unknown.
    vocabulary : list or array of str or None, default=None
        The tokens, in the order of their numbers; None learns them.
    embedding : int, "auto" or array of shape (n_tokens, size), default="auto"
        How many numbers stand for a token, "auto" 1.6 times the 0.56th power of their
        number, 64 at most; or the vectors that training begins with, in the order of
        ``tokens_``, which a ``vocabulary`` fixes. They decay 30 times as fast as other
        weights.
    word_dropout : float in [0, 1), default=0.0
        Share of categories that are taken for unknown while training (Iyyer et al.
        2015, doi:10.3115/v1/P15-1162).
    bptt : int, default=128
        Tokens that are read before each update. The state is carried to the next ones
        of the text, gradients are not (truncated backpropagation through time,
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
        Number of passes over the training sequences. "auto" is 100, but with more than
        30 batches only as many as make 3000 updates, and 10 at least.
    batch_size : int, default=32
        Largest number of texts in an update. A text that is longer than its share of
        all of them, or than 16 times ``bptt``, is cut into parts, which are read side
        by side. Identical texts count as one, with their weights added.
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
    engine : {"auto", "torch", "native"}, default="auto"
        What computes the layers: torch's modules, the compiled ones of this package,
        which need a CPU, or those where they can and torch's elsewhere. Results are the
        same up to rounding.
    callbacks : list of skorch callbacks or None, default=None
        Added to those of the estimator: loggers, checkpoints, schedules (with
        ``lr_schedule="constant"``). They see numbers of tokens.
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
    tokens_ : ndarray of str of shape (n_tokens,)
        The tokens, in the order of their numbers.
    classes_ : ndarray of str of shape (n_tokens + 2,)
        What may come next: the tokens, "<end>", "<unknown>".
    net_ : skorch.NeuralNet
        The net that trained the network, with its callbacks and history.
    module_ : torch.nn.Module
        The fitted network: ``x`` of shape (n_texts, n_steps, 1), numbers of tokens,
        gives outputs of shape (n_texts, n_steps, n_tokens + 2).
    history_ : list of dict
        ``epoch``, ``train_loss``, ``valid_loss`` (if any) and ``dur`` (seconds) per
        epoch.
    n_iter_ : int
        Number of epochs run.
    device_ : str
        The device that holds the network.
    n_categories_ : ndarray of shape (1,)
        Number of tokens, and one more for the mark of the beginning.

    See Also
    --------
    LSTMLanguageModel : A memory cell and three gates.
    RNNLanguageModel : No gates, fewest weights.
    TokenEncoder : Tokens as the input of classifiers and taggers.

    Notes
    -----
    With input :math:`x_t` and state :math:`h_t`,

    .. math::
        r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
        z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
        n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    After the state of each token stands a linear head, whose outputs a softmax turns
    into probabilities of the next one [2]_. A text begins with a mark, the last one of
    the categories that have vectors, and its end is foreseen, too:

    .. math:: \log p(x) = \sum_t \log p(x_t | x_1, \dots, x_{t-1})

    The loss is the mean of the negative terms over all tokens and ends. Where a long
    text is cut into parts, each is read as if a text began there, in training and for
    ``valid_loss``; ``score`` reads whole texts.

    References
    ----------
    .. [1] Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder
       for Statistical Machine Translation, doi:10.3115/v1/D14-1179.
    .. [2] Mikolov et al. (2010), Recurrent Neural Network Based Language Model,
       doi:10.21437/Interspeech.2010-343.

    Examples
    --------
    >>> from skrnn import GRULanguageModel
    >>> verses = ["a rose is a rose", "a rose is red", "is a rose red"] * 4
    >>> model = GRULanguageModel(hidden_size=32, lr=2e-2, random_state=0).fit(verses)
    >>> model.generate(["a rose is r"], temperature=0)
    ['ed']
    >>> round(model.perplexity(["a rose is a rose"]), 1)
    1.1
    """

    _cell = "gru"
