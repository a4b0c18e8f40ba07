"""One recurrent layer over sequences, by torch or by the compiled library.

The only place that chooses between them. Both use the weights of torch's own modules
and give the same numbers, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from skrnn._native import Read, Weights, is_available, run_backward, run_forward

__all__ = ["LAYERS", "Engine", "Linear", "Outputs", "advance_layer", "check_engine"]
__all__ += ["is_native", "map_rows", "read_layer", "reverse"]

Engine = Literal["auto", "torch", "native"]
Layer = nn.RNN | nn.LSTM | nn.GRU
WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
GATES_OF = {"RNN": 1, "LSTM": 4, "GRU": 3}
ROWS_OF_A_PRODUCT = 64
FEW_ROWS = 64  # for which GRULoop is faster than torch's layer


class WithoutValues:
    """A part of a module whose weights are allocated, but not drawn.

    torch draws them from its global generator, which is not ours to use. (Its "meta"
    device would do, too, but loads a whole system of symbols at first.)
    """

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class RNN(WithoutValues, nn.RNN):
    """Elman (1990)."""


class LSTM(WithoutValues, nn.LSTM):
    """Hochreiter & Schmidhuber (1997), with a forget gate (Gers et al., 2000)."""


class GRU(WithoutValues, nn.GRU):
    """Cho et al. (2014)."""


class Linear(WithoutValues, nn.Linear):
    """A linear map."""


LAYERS: dict[str, type[Layer]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def map_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map rows (n, n_inputs) to (n, n_outputs), each computed by itself.

    Products of other shapes may add in another order: on a CPU all have the same.
    """
    if x.device.type != "cpu":
        return torch.addmm(bias, x, weight.mT)
    whole = nn.functional.pad(x, (0, 0, 0, -len(x) % ROWS_OF_A_PRODUCT))
    parts = torch.split(whole, ROWS_OF_A_PRODUCT)
    return torch.cat([torch.addmm(bias, part, weight.mT) for part in parts])[: len(x)]


def check_engine(engine: str, device: torch.device) -> None:
    """Refuse an engine that is not there."""
    if engine != "native":
        return
    if device.type != "cpu":
        raise ValueError(
            f"engine='native' runs on a CPU only, but the device is {device}: use "
            "engine='auto', which takes torch's layers there, or device='cpu'."
        )
    if not is_available():
        raise ValueError(
            "engine='native' needs the compiled layers, which this installation of "
            "skrnn lacks: install a C compiler and then skrnn again, or use "
            "engine='auto', which takes torch's layers."
        )


class Outputs(NamedTuple):
    """What a layer makes of sequences, directions side by side."""

    all: Tensor  # (n, n_steps, n_directions * hidden_size); padding means nothing
    last: Tensor  # (n, n_directions * hidden_size); of the second direction, the first
    sums: Tensor | None  # over steps, where that cost next to nothing
    maxima: Tensor | None


def read_layer(
    layers: Sequence[Layer],
    x: Tensor,
    lengths: Tensor | None,
    engine: Engine,
    pool: bool = False,
) -> Outputs:
    """Read padded sequences by a layer for each direction.

    With ``pool``, the compiled layers sum the outputs up as they come.
    """
    if all(is_native(engine, layer, x) for layer in layers):
        found = read_natively(layers, x, None, None, lengths, pool)
        return Outputs(found[0], found[1], *found[3:5])
    outputs, _ = run_torch(layers[0], x, None)
    if lengths is None:
        last = outputs[:, -1]
    else:
        last = outputs[torch.arange(len(outputs), device=x.device), lengths - 1]
    if len(layers) == 1:
        return Outputs(outputs, last, None, None)
    back, _ = run_torch(layers[1], reverse(x, lengths), None)
    back = reverse(back, lengths)
    last = torch.cat([last, back[:, 0]], dim=1)
    return Outputs(torch.cat([outputs, back], dim=2), last, None, None)


def advance_layer(
    layer: Layer, x: Tensor, state: tuple[Tensor, ...], engine: Engine
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Read on from a state, (n, hidden_size) for the output and for the memory cell."""
    if is_native(engine, layer, x):
        h_0, c_0 = state if len(state) == 2 else (state[0], None)
        outputs, h_n, c_n, *_ = read_natively([layer], x, h_0, c_0, None)
        return outputs, (h_n,) if c_n is None else (h_n, c_n)
    return run_torch(layer, x, state)


def is_native(engine: Engine, layer: Layer, x: Tensor) -> bool:
    """Whether the compiled library reads these sequences."""
    return (
        engine != "torch"
        and x.dtype in (torch.float32, torch.float64)
        and is_plain(layer, x)
        and is_available()
    )


def is_plain(layer: Layer, x: Tensor) -> bool:
    """Whether these are numbers in memory and nothing but their layer is asked for.

    Hooks, transformed weights and other modes of torch are for its own layer.
    """
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.device.type == "cpu"
        and not x.is_neg()
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
        and has_plain_weights(layer, x.dtype)
        and not torch.is_autocast_enabled("cpu")
        and torch._C._functorch.maybe_get_level(x) == -1
        and torch._C._functorch.peek_interpreter_stack() is None
        and not in_a_graph()
    )


def has_plain_weights(layer: Layer, dtype: torch.dtype) -> bool:
    """Whether all weights are numbers of this type that lie in memory."""
    named = layer._parameters
    rows = GATES_OF[layer.mode.split("_")[0]] * layer.hidden_size
    shapes = ((rows, layer.input_size), (rows, layer.hidden_size), (rows,), (rows,))
    for name, shape in zip(WEIGHTS, shapes, strict=True):
        weight = named.get(name)
        if (
            weight is None
            or type(weight) not in (nn.Parameter, Tensor)
            or weight.dtype != dtype
            or weight.device.type != "cpu"
            or weight.shape != shape
        ):
            return False
    return True


def in_a_graph() -> bool:
    """Whether torch records what is done, to compile or to export it."""
    tracing: bool = torch._C._get_tracing_state() is not None
    return tracing or torch.compiler.is_compiling()


def cell_of(layer: Layer) -> str:
    """Name of what a layer does at each step."""
    return layer.mode.split("_")[0].lower()


def weights_of(layer: Layer) -> Weights:
    """Weights of a layer of torch."""
    named = layer._parameters  # the dict: attributes of modules are looked up slowly
    return Weights(*(cast("Tensor", named[name]).contiguous() for name in WEIGHTS))


# --- compiled ------------------------------------------------------------------------


def read_natively(
    layers: Sequence[Layer],
    x: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Tensor | None,
    pool: bool = False,
) -> Sequence[Any]:
    """Give a ``Read`` without its last two, with gradients where they are wanted."""
    cell, weights = cell_of(layers[0]), [weights_of(layer) for layer in layers]
    check_shapes(weights[0], x, h_0, c_0, lengths)
    x = x.contiguous()
    h_0, c_0 = (part if part is None else part.contiguous() for part in (h_0, c_0))
    if lengths is not None:
        lengths = lengths.to("cpu", torch.int64).contiguous()
    if torch.is_grad_enabled():
        flat = [weight for each in weights for weight in each]
        found: Sequence[Any] = NativeFunction.apply(  # type: ignore[no-untyped-call]
            cell, pool, lengths, x, h_0, c_0, *flat
        )
        return found
    return run_forward(cell, weights, x, h_0, c_0, lengths, pool)[:5]


def check_shapes(
    weights: Weights,
    x: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Tensor | None,
) -> None:
    """Refuse what would be read beyond its memory."""
    n_features, hidden_size = weights.w_ih.shape[1], weights.w_hh.shape[1]
    if x.ndim != 3 or x.shape[2] != n_features:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected (n_sequences, n_steps, "
            f"{n_features})."
        )
    for name, part in (("h_0", h_0), ("c_0", c_0)):
        if part is None:
            continue
        if part.shape != (len(x), hidden_size) or part.dtype != x.dtype:
            raise ValueError(
                f"The state {name} has shape {tuple(part.shape)} of {part.dtype}, "
                f"expected ({len(x)}, {hidden_size}) of {x.dtype}."
            )
    if lengths is not None and lengths.shape != x.shape[:1]:
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)}, expected ({len(x)},)."
        )


class NativeFunction(torch.autograd.Function):
    """Gradients through the compiled library."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: str,
        pool: bool,
        lengths: Tensor | None,
        x: Tensor,
        h_0: Tensor | None,
        c_0: Tensor | None,
        *weights: Tensor,
    ) -> Any:
        """Give a ``Read`` without its last two."""
        directions = [Weights(*weights[i : i + 4]) for i in range(0, len(weights), 4)]
        keep = any(ctx.needs_input_grad)
        read = run_forward(cell, directions, x, h_0, c_0, lengths, pool, keep)
        if keep:
            ctx.cell = cell
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(
                lengths,
                x,
                h_0,
                c_0,
                read.outputs,
                read.places,
                *weights,
                *read.reserves,
            )
        return read[:5]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        """Give gradients of everything that has some."""
        lengths, x, h_0, c_0, outputs, places, *rest = ctx.saved_tensors
        n_weights = len(rest) // 5 * 4  # four weights and a reserve for each direction
        directions = [Weights(*rest[i : i + 4]) for i in range(0, n_weights, 4)]
        read = Read(outputs, outputs, None, None, None, places, rest[n_weights:])
        wanted = ctx.needs_input_grad[3:6]
        found = run_backward(
            ctx.cell, directions, x, h_0, c_0, lengths, read, grads, wanted
        )
        return None, None, None, *found


# --- torch ---------------------------------------------------------------------------


def run_torch(
    layer: Layer, x: Tensor, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Read on by torch: its own layer, or the loop that is faster."""
    if use_loop(layer, x):
        h_0 = None if state is None else state[0]
        if h_0 is None:
            h_0 = x.new_zeros(len(x), layer.hidden_size)
        outputs = GRULoop.apply(x, h_0, *weights_of(layer))  # type: ignore[no-untyped-call]
        return outputs, (outputs[:, -1],)
    if state is None:
        outputs, after = layer(x)
    else:
        parts = tuple(part[None].contiguous() for part in state)
        outputs, after = layer(x, parts if len(parts) == 2 else parts[0])
    after = after if isinstance(after, tuple) else (after,)
    return outputs, tuple(part[0] for part in after)


def use_loop(layer: Layer, x: Tensor) -> bool:
    """Whether the loop is the faster way to the gradients of a GRU."""
    return (
        isinstance(layer, nn.GRU)
        and len(x) <= FEW_ROWS
        and torch.is_grad_enabled()
        and is_plain(layer, x)
    )


def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse the steps of each sequence of (n, n_steps, n_features)."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    index = lengths[:, None] - 1 - steps
    index = torch.where(index >= 0, index, steps)  # padding stays where it is
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


class GRULoop(torch.autograd.Function):
    """A GRU step by step, with gradients written out.

    torch's own layer records every operation of every step on a CPU, which takes longer
    than the operations while there are few rows.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
    ) -> Tensor:
        """Give outputs (n, n_steps, hidden_size)."""
        n_rows, n_steps, _ = x.shape
        size = h_0.shape[1]
        read = x.transpose(0, 1).reshape(n_rows * n_steps, -1)
        # first what x says of the gates, then the gates: reset, update, new
        gates = torch.addmm(b_ih, read, w_ih.mT).view(n_steps, n_rows, 3 * size)
        from_h = torch.empty_like(gates)
        outputs = x.new_empty(n_steps, n_rows, size)
        turned, h = w_hh.mT, h_0
        for both, reset, update, new, inner, of_both, of_new, output in zip(
            gates[..., : 2 * size].unbind(),
            *(part.unbind() for part in torch.split(gates, size, dim=2)),
            from_h.unbind(),
            from_h[..., : 2 * size].unbind(),
            from_h[..., 2 * size :].unbind(),
            outputs.unbind(),
            strict=True,
        ):
            torch.addmm(b_hh, h, turned, out=inner)
            torch.add(both, of_both, out=both).sigmoid_()
            torch.addcmul(new, reset, of_new, out=new).tanh_()
            h = torch.lerp(new, h, update, out=output)
        inner = from_h[..., 2 * size :]
        ctx.save_for_backward(x, h_0, w_ih, w_hh, outputs, gates, inner)
        return outputs.transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Give gradients of the input, the state and the weights."""
        x, h_0, w_ih, w_hh, outputs, gates, inner = ctx.saved_tensors
        n_rows, n_steps, _ = x.shape
        size = h_0.shape[1]
        before = torch.cat([h_0[None], outputs[:-1]])
        reset, update, new = gates.split(size, dim=2)
        of_new = (1 - update) * (1 - new * new)
        # how the new gate (x), reset, update, the new gate (h) depend on the output
        slopes = torch.stack(
            [
                of_new,
                of_new * inner * reset * (1 - reset),
                (before - new) * update * (1 - update),
                of_new * reset,
            ],
            dim=2,
        )
        d_gates = torch.empty_like(slopes)
        of_h = d_gates.flatten(2)[..., size:]
        d_h = torch.zeros_like(h_0)
        steps = zip(
            grad.unbind(1),
            slopes.unbind(),
            d_gates.unbind(),
            of_h.unbind(),
            update.unbind(),
            strict=True,
        )
        for d_output, slope, d_gate, of_state, kept in reversed(list(steps)):
            d_h = d_h + d_output
            torch.mul(d_h[:, None], slope, out=d_gate)
            d_h = torch.addmm(d_h * kept, of_state, w_hh)
        of_x = d_gates[:, :, [1, 2, 0]].view(n_steps * n_rows, 3 * size)
        of_h = of_h.reshape(n_steps * n_rows, 3 * size)
        read = x.transpose(0, 1).reshape(n_rows * n_steps, -1)
        d_x = (of_x @ w_ih).view(n_steps, n_rows, -1).transpose(0, 1)
        return (
            d_x if ctx.needs_input_grad[0] else None,
            d_h,
            of_x.mT @ read,
            of_h.mT @ before.flatten(0, 1),
            of_x.sum(0),
            of_h.sum(0),
        )
