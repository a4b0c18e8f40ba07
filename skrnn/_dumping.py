"""A fitted net as plain numbers and arrays, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from skrnn._attending import TransducerModule, count_transducer
from skrnn._checkpoints import as_plain, as_tensors, plain_epoch, set_moments
from skrnn._devices import plain_torch
from skrnn._modules import SequenceModule
from skrnn._net import Net
from skrnn._settings import Settings
from skrnn._sizes import check_weights, count_weights
from skrnn._training import make_net

__all__ = ["dump_net", "load_net"]

USABLE: dict[str, Any] = {"loss": "squared_error", "lr": 1e-3, "weight_decay": 0.0}
USABLE |= {"batch_size": 1, "verbose": 0, "net_params": None}


def dump_net(net: Net) -> dict[str, Any]:
    """Describe a fitted net by numbers, strings and numpy arrays."""
    module = net.sequence_module
    config = {**module.config, "dtype": str(module.config["dtype"]).split(".")[1]}
    moments = net.optimizer_.state_dict()["state"]
    return {
        "config": config,
        "weights": as_plain(dict(module.state_dict())),
        "optimizer": type(net.optimizer_).__name__,
        "moments": as_plain(moments),
        "history": [plain_epoch(epoch) for epoch in net.history],
    }


def load_net(state: dict[str, Any], settings: Settings) -> Net:
    """Make the net that ``dump_net`` described."""
    config = state["config"]
    kind: Any = SequenceModule
    count = count_weights
    if "n_sources" in config:
        kind, count = TransducerModule, count_transducer
    check_weights(config, state["weights"], count)
    with plain_torch(settings.device):
        module = kind(**{**config, "dtype": getattr(torch, config["dtype"])})
        weights = as_tensors(state["weights"])
        module.to_empty(device=settings.device)
        module.load_state_dict(weights)
        module.eval()
        try:
            net = make_net(module, settings, n_updates=1)
        except Exception:  # set after the fit: the next one says what is wrong
            kind = getattr(torch.optim, state["optimizer"], torch.optim.AdamW)
            usable = replace(settings, **USABLE, optimizer=kind)
            net = make_net(module, usable, n_updates=1)
        set_moments(net, state["optimizer"], as_tensors(state["moments"]))
    net.history = type(net.history)(
        {**epoch, "batches": []} for epoch in state["history"]
    )
    return net
