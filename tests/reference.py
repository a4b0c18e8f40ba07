"""RNN, LSTM and GRU in plain numpy, forward and back through time by hand.

Written from the papers' equations in float64, one sequence at a time, so that there is
no batch and no padding. Weights are named as in ``SequenceModule.state_dict()``.

Every function gives its result and a function ``backward``, which maps the derivatives
of a loss by the result to those by the arguments.

Elman (1990), Finding Structure in Time; Hochreiter & Schmidhuber (1997), Long Short-
Term Memory, with the forget gate of Gers, Schmidhuber & Cummins (2000); Cho et al.
(2014), with the reset gate after the matrix product, as in cuDNN and torch;
Bahdanau, Cho & Bengio (2015) for the attention.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = dict[str, Array]
Backward = Callable[[Array], Any]


def sigmoid(a: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-a))


def rnn(x: Array, W: Array, b: Array, U: Array, c: Array) -> tuple[Array, Backward]:
    """h_t = tanh(W x_t + b + U h_{t-1} + c), x (n_steps, n_features)."""
    n_steps, size = len(x), len(c)
    h = np.zeros((n_steps + 1, size))  # h[t + 1] is the state after step t
    for t in range(n_steps):
        h[t + 1] = np.tanh(W @ x[t] + b + U @ h[t] + c)

    def backward(dh: Array) -> Any:
        dx, dW, db, dU = (np.zeros_like(a) for a in (x, W, b, U))
        from_later = np.zeros(size)
        for t in reversed(range(n_steps)):
            da = (dh[t] + from_later) * (1 - h[t + 1] ** 2)
            dx[t] = W.T @ da
            dW += np.outer(da, x[t])
            dU += np.outer(da, h[t])
            db += da
            from_later = U.T @ da
        return dx, (dW, db, dU, db)

    return h[1:], backward


def lstm(x: Array, W: Array, b: Array, U: Array, c: Array) -> tuple[Array, Backward]:
    """Gates i, f, o and candidate g; s is the memory cell, h = o tanh(s)."""
    n_steps, size = len(x), len(c) // 4
    h, s = np.zeros((n_steps + 1, size)), np.zeros((n_steps + 1, size))
    i, f, g, o = np.zeros((4, n_steps, size))
    for t in range(n_steps):
        a_i, a_f, a_g, a_o = np.split(W @ x[t] + b + U @ h[t] + c, 4)
        i[t], f[t], g[t], o[t] = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        s[t + 1] = f[t] * s[t] + i[t] * g[t]
        h[t + 1] = o[t] * np.tanh(s[t + 1])

    def backward(dh: Array) -> Any:
        dx, dW, db, dU = (np.zeros_like(a) for a in (x, W, b, U))
        from_later, ds = np.zeros(size), np.zeros(size)
        for t in reversed(range(n_steps)):
            dh_t = dh[t] + from_later
            ds = ds + dh_t * o[t] * (1 - np.tanh(s[t + 1]) ** 2)
            da_i = ds * g[t] * i[t] * (1 - i[t])
            da_f = ds * s[t] * f[t] * (1 - f[t])
            da_g = ds * i[t] * (1 - g[t] ** 2)
            da_o = dh_t * np.tanh(s[t + 1]) * o[t] * (1 - o[t])
            da = np.concatenate([da_i, da_f, da_g, da_o])
            dx[t] = W.T @ da
            dW += np.outer(da, x[t])
            dU += np.outer(da, h[t])
            db += da
            from_later = U.T @ da
            ds = ds * f[t]
        return dx, (dW, db, dU, db)

    return h[1:], backward


def gru(x: Array, W: Array, b: Array, U: Array, c: Array) -> tuple[Array, Backward]:
    """Gates r and z, candidate n = tanh(W x + b + r (U h + c))."""
    n_steps, size = len(x), len(c) // 3
    h = np.zeros((n_steps + 1, size))
    r, z, n, m = np.zeros((4, n_steps, size))
    for t in range(n_steps):
        x_r, x_z, x_n = np.split(W @ x[t] + b, 3)
        h_r, h_z, m[t] = np.split(U @ h[t] + c, 3)
        r[t], z[t] = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n[t] = np.tanh(x_n + r[t] * m[t])
        h[t + 1] = (1 - z[t]) * n[t] + z[t] * h[t]

    def backward(dh: Array) -> Any:
        dx, dW, db, dU, dc = (np.zeros_like(a) for a in (x, W, b, U, c))
        from_later = np.zeros(size)
        for t in reversed(range(n_steps)):
            dh_t = dh[t] + from_later
            da_n = dh_t * (1 - z[t]) * (1 - n[t] ** 2)
            da_z = dh_t * (h[t] - n[t]) * z[t] * (1 - z[t])
            da_r = da_n * m[t] * r[t] * (1 - r[t])
            da_x = np.concatenate([da_r, da_z, da_n])
            da_h = np.concatenate([da_r, da_z, da_n * r[t]])
            dx[t] = W.T @ da_x
            dW += np.outer(da_x, x[t])
            dU += np.outer(da_h, h[t])
            db += da_x
            dc += da_h
            from_later = dh_t * z[t] + U.T @ da_h
        return dx, (dW, db, dU, dc)

    return h[1:], backward


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}
PARTS = ["weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"]


def layer(cell: str, weights: Weights, prefix: str, x: Array) -> tuple[Array, Backward]:
    """One layer in one direction; ``backward`` gives dx and named derivatives."""
    names = [f"{prefix}.{part}" for part in PARTS]
    h, cell_backward = CELLS[cell](x, *(weights[name] for name in names))

    def backward(dh: Array) -> Any:
        dx, grads = cell_backward(dh)
        return dx, dict(zip(names, grads, strict=True))

    return h, backward


def encode(cell: str, weights: Weights, x: Array) -> tuple[Array, Backward]:
    """All layers and directions, (n_steps, n_features) to (n_steps, output_size)."""
    bidirectional = any(name.startswith("encoder.backward_layers") for name in weights)
    tape: list[tuple[Backward, Backward | None]] = []
    while f"encoder.forward_layers.{len(tape)}.weight_ih_l0" in weights:
        index = len(tape)
        h, back = layer(cell, weights, f"encoder.forward_layers.{index}", x)
        back_reversed = None
        if bidirectional:
            prefix = f"encoder.backward_layers.{index}"
            from_end, back_reversed = layer(cell, weights, prefix, x[::-1])
            h = np.concatenate([h, from_end[::-1]], axis=1)
        tape.append((back, back_reversed))
        x = h

    def backward(dh: Array) -> Any:
        grads: Weights = {}
        for back, back_reversed in reversed(tape):
            size = dh.shape[1] // (2 if bidirectional else 1)
            dx, layer_grads = back(dh[:, :size])
            grads |= layer_grads
            if back_reversed is not None:
                dx_reversed, layer_grads = back_reversed(dh[::-1, size:])
                dx = dx + dx_reversed[::-1]
                grads |= layer_grads
            dh = dx
        return dh, grads

    return x, backward


def last(h: Array, bidirectional: bool) -> tuple[Array, Backward]:
    """The last output of each direction; the second one ends at the first step."""
    size = h.shape[1] // (2 if bidirectional else 1)

    def backward(d: Array) -> Array:
        dh = np.zeros_like(h)
        dh[-1, :size] += d[:size]
        dh[0, size:] += d[size:]
        return dh

    return np.concatenate([h[-1, :size], h[0, size:]]), backward


def mean(h: Array) -> tuple[Array, Backward]:
    return h.sum(axis=0) / len(h), lambda d: np.tile(d / len(h), (len(h), 1))


def maximum(h: Array) -> tuple[Array, Backward]:
    where = h.argmax(axis=0), np.arange(h.shape[1])

    def backward(d: Array) -> Array:
        dh = np.zeros_like(h)
        dh[where] = d
        return dh

    return h[where], backward


def attend(h: Array, weights: Weights) -> tuple[Array, Backward]:
    """Mean with weights softmax(v tanh(A h_t + b)), over the steps t."""
    A, b = weights["attention.0.weight"], weights["attention.0.bias"]
    v = weights["attention.2.weight"][0]
    u = np.tanh(h @ A.T + b)
    scores = np.exp(u @ v - (u @ v).max())
    alpha = scores / scores.sum()

    def backward(d: Array) -> Any:
        dalpha = h @ d
        dscores = alpha * (dalpha - alpha @ dalpha)
        da = np.outer(dscores, v) * (1 - u**2)
        grads = {
            "attention.0.weight": da.T @ h,
            "attention.0.bias": da.sum(axis=0),
            "attention.2.weight": (dscores @ u)[None, :],
        }
        return np.outer(alpha, d) + da @ A, grads

    return alpha @ h, backward


def pool(
    pooling: str, weights: Weights, h: Array, bidirectional: bool
) -> tuple[Array, Backward]:
    """Outputs at all steps to one embedding."""
    if pooling == "attention":
        return attend(h, weights)
    pools = {
        "last": [last(h, bidirectional)],
        "mean": [mean(h)],
        "max": [maximum(h)],
        "concat": [last(h, bidirectional), mean(h), maximum(h)],
    }[pooling]

    def backward(d: Array) -> Any:
        parts = np.split(d, len(pools))
        dh = sum(back(part) for (_, back), part in zip(pools, parts, strict=True))
        return dh, {}

    return np.concatenate([pooled for pooled, _ in pools]), backward


def embed(
    cell: str, pooling: str, weights: Weights, x: Array
) -> tuple[Array, Backward]:
    """Encoder and pooling: (n_steps, n_features) to (embedding_size,)."""
    bidirectional = any(name.startswith("encoder.backward_layers") for name in weights)
    h, encoder_backward = encode(cell, weights, x)
    embedding, pool_backward = pool(pooling, weights, h, bidirectional)

    def backward(d: Array) -> Any:
        dh, pool_grads = pool_backward(d)
        dx, encoder_grads = encoder_backward(dh)
        return dx, {**encoder_grads, **pool_grads}

    return embedding, backward


def run(cell: str, pooling: str, weights: Weights, x: Array) -> tuple[Array, Backward]:
    """The whole network: (n_steps, n_features) to (n_outputs,)."""
    W, b = weights["head.weight"], weights["head.bias"]
    embedding, embed_backward = embed(cell, pooling, weights, x)

    def backward(d: Array) -> Any:
        dx, grads = embed_backward(W.T @ d)
        return dx, {**grads, "head.weight": np.outer(d, embedding), "head.bias": d}

    return W @ embedding + b, backward


def finite_differences(loss: Callable[[], float], values: Array, step: float) -> Array:
    """Central differences of a loss by each of some values, changed in place."""
    grads = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        value = values[index]
        values[index] = value + step
        above = loss()
        values[index] = value - step
        below = loss()
        values[index] = value
        grads[index] = (above - below) / (2 * step)
    return grads
