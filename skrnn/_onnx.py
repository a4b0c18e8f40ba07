"""to_onnx: estimators as ONNX graphs, for runtimes without Python."""

from __future__ import annotations

from typing import Any

from skrnn._exporting import (
    check_difference,
    compare,
    compare_sequences,
    fitted_of,
    is_forecaster,
    refuse,
    step_of,
)
from skrnn._files import replace_file
from skrnn._graph import Formulas, Graph, Symbol
from skrnn._onnx_sequence import build_sequence, label

__all__ = ["to_onnx"]

KINDS = ("sequence", "step")


def to_onnx(estimator: Any, path: Any, *, kind: str = "sequence") -> None:
    """Export a fitted estimator to an ONNX file.

    The graph does all that ``predict`` does with numbers: it scales, pools and decodes.
    Before it is written, onnxruntime runs it, and its outputs are compared with those
    of the estimator.

    Parameters
    ----------
    estimator : object
        A fitted classifier or regressor of this package, or with ``kind="step"`` any
        network that goes step by step, or a forecaster.
    path : str or path-like
        The file, which is put there at once.
    kind : {"sequence", "step"}, default="sequence"
        What the graph reads: whole sequences, or one step of a stream. A forecaster
        goes step by step only. The notes tell of inputs and outputs.

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``estimator`` is of another kind.
    ValueError
        If a step cannot do what the network does (a bidirectional network, a stem,
        ``scale_inputs="sequence"``, ``head="crf"``, or of a forecaster
        ``strategy="direct"``), or whole sequences are wanted of a forecaster or of a
        network with an output for each step.
    RuntimeError
        If the graph does not give what the estimator gives, to 1e-5: nothing is written
        then.
    OSError
        If the file cannot be written.
    ImportError
        If onnx or onnxruntime is not installed.

    See Also
    --------
    step_state : The state of the first step.
    step_extras : The exogenous numbers of a forecaster's steps to come.
    to_torch : The same step for torch.

    Notes
    -----
    The network is single precision, and so are inputs and outputs unless it is said
    otherwise.

    *Whole sequences.* Inputs are ``x`` of shape (n_sequences, n_steps, n_features),
    filled up with any numbers after short ones, and ``lengths``, int64 of shape
    (n_sequences,). Outputs are ``probabilities`` and, for classes that are texts or
    integers, ``label``; of several labels only ``probabilities``; of a regressor ``y``,
    double, of shape (n_sequences, n_outputs). With ``missing="mask"``, NaN is missing.

    *A step of a network.* Besides ``x`` of shape (n_sequences, n_features), it takes
    the state, ``n_steps``, ``hidden`` and what pooling needs, which ``step_state``
    gives for the first step. The new state comes back under the names ``new_n_steps``,
    ``new_hidden``, ... The other outputs are the same; those of a tagger or sequence
    regressor are about this step. A language model and a recommender read ``x`` of
    shape (n_sequences, 1), the place of a token in ``tokens_`` or of an item in
    ``items_``, -1 for others, and tell what comes next.

    *A step of a forecaster.* It takes ``value``, double, of shape (n_series,
    n_columns), in the units of the y of ``fit``: what came at this step, and NaN where
    nothing is known; ``extra`` of shape (n_series, n_extras), if the network reads a
    calendar or X, which ``step_extras`` gives; and the state. ``y``, double, is the
    point forecast of this step, from what came before it. The new state has taken
    ``value`` like ``update(update_params=False)``, or for a row of NaN the forecast, so
    that NaN at each step rolls out what ``predict`` gives. Keep the state before a
    roll-out for the next value that comes. A value between others that never comes is
    passed by with NaN, too; ``update`` would read the value a season before there.

    Outputs of shape (n_networks, n_series, n_columns), double, are ``location``, the
    forecast of each network, and the other parameters of the distribution of this
    step's value: ``spread`` of "normal" and of "student_t", which also has ``freedom``,
    and ``failures`` of "negative_binomial". They belong to log(1 + y) where the network
    sees logarithms (``forecaster.network_.log``).

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import onnxruntime
    >>> import skrnn
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=60, n_steps=20, random_state=0)
    >>> model = skrnn.GRUClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrnn.to_onnx(model, f"{folder}/waves.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/waves.onnx")
    >>> inputs = {"x": X.astype("float32"), "lengths": np.full(60, 20)}
    >>> probabilities, labels = session.run(["probabilities", "label"], inputs)
    >>> float(np.mean(labels == model.predict(X)))
    1.0
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx and onnxruntime: pip install onnx onnxruntime."
        ) from error
    fitted = fitted_of(estimator, "to_onnx")
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}, expected one of {KINDS}.")
    refuse(fitted, kind)
    graph = Graph(onnx)
    build = build_sequence if kind == "sequence" else build_step
    model = graph.finish(*build(graph, fitted))
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(given: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(names, session.run(names, given), strict=True))

    compare_both = compare_sequences if kind == "sequence" else compare
    check_difference(compare_both(run, fitted), "graph")
    replace_file(path, lambda file: file.write(content))


def build_step(graph: Graph, fitted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add one step: state in, state out."""
    step = step_of(fitted)

    def about(form: Any) -> tuple[list[Any], int]:
        shape = [step.axis if size is None else size for size in form.shape]
        return shape, graph.kind(form.dtype)

    given = {
        name: Symbol(graph, name, form.dtype) for name, form in step.inputs.items()
    }
    found = step(Formulas(graph), given)
    inputs = {name: about(form) for name, form in step.inputs.items()}
    outputs = {
        name: (*about(form), found[name].name) for name, form in step.outputs.items()
    }
    if not is_forecaster(fitted) and step.task == "classes":
        outputs |= label(graph, fitted, found["probabilities"].name)
    return inputs, outputs
