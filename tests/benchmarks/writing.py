"""Texts: training language models and transducers, and drawing texts."""

import itertools
from functools import partial

import by_hand
import numpy as np
import ours
import torch
from contest import Table, compete

import skrnn

LETTERS = "abcdefghijklmnopqrstuvwxyz .,;?!"
LAYERS = ["LSTM", "GRU"]


def make_text(n):
    """Letters, of which some follow others more often."""
    random = np.random.default_rng(0)
    steps = np.minimum(random.geometric(0.3, n), len(LETTERS) - 1)
    return "".join(LETTERS[k] for k in np.cumsum(steps) % len(LETTERS))


def writing(options):
    """Language models and transducers against loops by hand."""
    return [learning(options), drawing(options), turning(options)]


def learning(options):
    """Train on one text, with the state carried from batch to batch."""
    table = Table(
        "Training language models",
        "One text of 65536 characters, batches of 32 pieces of 128, H hidden units; a "
        "fit of two epochs. By hand: a layer of torch between an embedding and a head, "
        "the state carried along.",
        ["hand loop", *ours.engines()],
    )
    n, sizes = (2048, [16]) if options.quick else (65536, [64, 256])
    text = make_text(n)
    codes = torch.tensor([LETTERS.index(letter) for letter in text])
    for layer, hidden_size in itertools.product(LAYERS, sizes):
        contestants = {
            "hand loop": partial(
                by_hand.fit_text, layer, hidden_size, codes, len(LETTERS), 2
            )
        }
        for name, params in ours.engines().items():
            model = make_model(layer, hidden_size, max_epochs=2, **params)
            contestants[name] = partial(model.fit, [text])
        table.add(f"{layer} H={hidden_size}", compete(contestants, options))
    return table


def make_model(layer, hidden_size, **params):
    name = f"{layer}LanguageModel"
    params = {"dropout": 0.0, "random_state": 0, "device": "cpu", **params}
    return getattr(skrnn, name)(hidden_size, **params)


def drawing(options):
    """Draw characters, one after another."""
    table = Table(
        "Drawing texts",
        "500 characters of one text and of 16 side by side, H=256. By hand: "
        "`torch.multinomial` on the outputs of the layer.",
        ["hand loop", "skrnn"],
    )
    hidden_size, n_tokens = (16, 20) if options.quick else (256, 500)
    text = make_text(2048)
    codes = torch.tensor([LETTERS.index(letter) for letter in text])
    for layer in LAYERS:
        module = by_hand.fit_text(layer, hidden_size, codes, len(LETTERS), 1)
        model = make_model(layer, hidden_size, max_epochs=1).fit([text])
        with torch.no_grad():
            model.module_.head.bias[len(model.tokens_)] = -1e3  # no text ends early
        for n_texts in (1, 16):
            contestants = {
                "hand loop": partial(by_hand.draw, module, n_texts, n_tokens),
                "skrnn": partial(
                    model.sample, n_texts, max_tokens=n_tokens, random_state=0
                ),
            }
            name = f"{layer}, {n_texts} text{'s' * (n_texts > 1)}"
            table.add(name, compete(contestants, options))
    return table


def turning(options):
    """Train a transducer on words that are to be turned."""
    table = Table(
        "Training a transducer",
        "1024 words of 12 letters, batches of 32, H=128; a fit of two epochs. By hand: "
        "the same network with layers of torch, and a decoder that is fed what its "
        "attention found, step by step, as tutorials have it.",
        ["hand loop", "hand loop, step by step", *ours.engines()],
    )
    n, hidden_size = (64, 16) if options.quick else (1024, 128)
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS[:26]), 12)) for _ in range(n)]
    x = torch.tensor([[LETTERS.index(letter) for letter in word] for word in words])
    pairs = x, x.flip(1), 26
    turned = [word[::-1] for word in words]
    contestants = {
        "hand loop": partial(by_hand.fit_pairs, hidden_size, *pairs, 2),
        "hand loop, step by step": partial(
            by_hand.fit_pairs, hidden_size, *pairs, 2, fed=True
        ),
    }
    for name, params in ours.engines().items():
        params |= {"max_epochs": 2, "dropout": 0.0, "random_state": 0, "device": "cpu"}
        model = skrnn.Seq2SeqTransducer(hidden_size, **params)
        contestants[name] = partial(model.fit, words, turned)
    table.add("GRU", compete(contestants, options))
    return table
