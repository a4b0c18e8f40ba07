"""How many numbers a network has, counted before it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skrnn._stem import KERNEL, POOL

__all__ = ["GATES", "check_weights", "count_activations", "count_layer_weights"]
__all__ += ["count_weights", "round_up"]

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
ALIGNMENT = 16  # floats: one AVX-512 register


def count_weights(config: dict[str, Any]) -> int:
    """Count the numbers of a module's weights before it is made."""
    hidden, n_outputs = config["hidden_size"], config["n_outputs"]
    width = hidden * (2 if config["bidirectional"] else 1)
    channels, n_blocks = round_up(hidden), config["stem"]
    tables = config.get("tables", ())
    n_read = config["n_features"] + sum(size - 1 for *_, size in tables)
    stem = [n_read] + [channels] * n_blocks
    convolutions = channels * sum(KERNEL * size + 2 for size in stem[:n_blocks])
    inputs = [stem[-1]] + [width] * (config["num_layers"] - 1)
    layers = width // hidden * count_layer_weights(config["cell"], hidden, inputs)
    attention = width * (width + 2) if config["pooling"] == "attention" else 0
    embedding = width * (3 if config["pooling"] == "concat" else 1)
    neighbours = n_outputs * (n_outputs + 2) if config.get("head") == "crf" else 0
    total = neighbours + sum((n + 1) * size for _, n, size in tables)
    total += convolutions + layers + attention + (embedding + 1) * n_outputs
    return int(total)


def check_weights(
    config: dict[str, Any],
    weights: dict[str, Any],
    count: Callable[[dict[str, Any]], int] = count_weights,
) -> None:
    """Refuse arrays that cannot be the weights of a network before it is built."""
    n_numbers = sum(each.size for each in weights.values())
    sizes = [size for size in config.values() if isinstance(size, int)]
    if max(sizes) > n_numbers or count(config) > n_numbers:
        raise ValueError(
            f"{n_numbers} numbers are not the weights of a network with {config}."
        )


def count_layer_weights(cell: str, hidden_size: int, inputs: list[int]) -> int:
    """Count the numbers of layers with these sizes of inputs, in one direction."""
    rows = GATES[cell] * hidden_size
    return sum(rows * (size + hidden_size + 2) for size in inputs)


def count_activations(config: dict[str, Any]) -> int:
    """Count the least that one step keeps for the gradients: gates, and its outputs."""
    width = config["hidden_size"] * (2 if config.get("bidirectional", True) else 1)
    gates = int(GATES[config["cell"]] * width * config["num_layers"])
    if config.get("pooling", "none") == "none":
        return gates + int(config["n_outputs"])
    if not config["stem"]:
        return gates
    shorter: int = POOL ** config["stem"]
    return 2 * round_up(config["hidden_size"]) + gates // shorter


def round_up(size: int, multiple: int = ALIGNMENT) -> int:
    """Round a size up to a multiple."""
    return -(-size // multiple) * multiple
