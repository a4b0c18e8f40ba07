"""What a user writes by hand with torch: modules, loops, roll-outs, steps."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence


class LastOutput(nn.Module):
    """A layer, and a linear head on its output after the last step."""

    def __init__(self, layer, n_features, hidden_size):
        super().__init__()
        self.layer = getattr(nn, layer)(n_features, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])

    def forward_padded(self, x, lengths):
        outputs, _ = self.layer(x)
        return self.head(outputs[torch.arange(len(x)), lengths - 1])

    def forward_packed(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        _, hidden = self.layer(packed)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.head(hidden[-1])


def batches(n, batch_size, device):
    order = torch.randperm(n, device=device)
    return order.split(batch_size)


def update(optimizer, outputs, targets):
    loss = ((outputs - targets) ** 2).mean()
    loss.backward()
    optimizer.step()


def fit(layer, hidden_size, batch_size, x, y, epochs, lr=1e-3):
    """Train on x (n_sequences, n_steps, n_features), y (n_sequences, 1)."""
    module = LastOutput(layer, x.shape[2], hidden_size).to(x.device)
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in batches(len(x), batch_size, x.device):
            optimizer.zero_grad()
            outputs = module(x.index_select(0, rows))
            update(optimizer, outputs, y.index_select(0, rows))
    return module


def fit_ragged(layer, hidden_size, batch_size, sequences, y, epochs, how):
    """Train on tensors of different lengths: how to make batches of them is the point.

    "pad to longest" pads all to the longest one, once; "pad each batch" and "pack" pad
    to the longest of a batch.
    """
    module = LastOutput(layer, sequences[0].shape[1], hidden_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    lengths = torch.tensor([len(each) for each in sequences])
    together = pad_sequence(sequences, batch_first=True)
    run = module.forward_packed if how == "pack" else module.forward_padded
    for _ in range(epochs):
        for rows in batches(len(sequences), batch_size, "cpu"):
            optimizer.zero_grad()
            if how == "pad to longest":
                x = together.index_select(0, rows)
            else:
                x = pad_sequence([sequences[row] for row in rows.tolist()], True)
            update(optimizer, run(x, lengths[rows]), y.index_select(0, rows))
    return module


@torch.no_grad()
def predict(module, x, batch_size=128):
    return torch.cat([module(part) for part in x.split(batch_size)]).cpu().numpy()


class OneStepAhead(nn.Module):
    """Mean and log standard deviation of the next value, at every step."""

    def __init__(self, layer, hidden_size):
        super().__init__()
        self.layer = getattr(nn, layer)(1, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 2)

    def forward(self, x, state=None):
        outputs, state = self.layer(x, state)
        mean, log_sd = self.head(outputs).chunk(2, dim=-1)
        return mean, log_sd, state


def fit_forecaster(layer, hidden_size, batch_size, values, n_steps, n_updates):
    """Train on random windows of values (n_series, n_times): Gaussian likelihood."""
    module = OneStepAhead(layer, hidden_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    windows = values.unfold(1, n_steps + 1, 1).flatten(0, 1)[..., None]
    for _ in range(n_updates):
        rows = torch.randint(len(windows), (batch_size,))
        batch = windows.index_select(0, rows)
        optimizer.zero_grad()
        mean, log_sd, _ = module(batch[:, :-1])
        z = (batch[:, 1:] - mean) / log_sd.exp()
        (0.5 * z**2 + log_sd).mean().backward()
        optimizer.step()
    return module


@torch.no_grad()
def forecast(module, context, horizon):
    """Feed each mean back: (n_series, horizon)."""
    mean, _, state = module(context[..., None])
    found = [mean[:, -1:]]
    for _ in range(horizon - 1):
        mean, _, state = module(found[-1], state)
        found.append(mean)
    return torch.cat(found, dim=1)[..., 0].numpy()


@torch.no_grad()
def roll_out(module, context, horizon, n_paths, levels):
    """Feed draws back, all paths at once: quantiles (n_levels, n_series, horizon)."""
    mean, log_sd, state = module(context[..., None])
    mean = mean[:, -1:].repeat_interleave(n_paths, dim=0)
    log_sd = log_sd[:, -1:].repeat_interleave(n_paths, dim=0)
    if isinstance(state, tuple):
        state = tuple(each.repeat_interleave(n_paths, dim=1) for each in state)
    else:
        state = state.repeat_interleave(n_paths, dim=1)
    drawn = []
    for step in range(horizon):
        if step:
            mean, log_sd, state = module(drawn[-1], state)
        drawn.append(mean + log_sd.exp() * torch.randn_like(mean))
    paths = torch.cat(drawn, dim=1).view(len(context), n_paths, horizon)
    return np.quantile(paths.numpy(), levels, axis=1)


@torch.no_grad()
def stream_layer(module, x):
    """One step of nn.LSTM or nn.GRU after the other: x (n_steps, n_features)."""
    state = None
    for step in x:
        outputs, state = module.layer(step[None, None], state)
        module.head(outputs[:, -1])


def make_cell(module):
    """The nn.LSTMCell or nn.GRUCell with the weights of a layer."""
    layer = module.layer
    kind = nn.LSTMCell if isinstance(layer, nn.LSTM) else nn.GRUCell
    cell = kind(layer.input_size, layer.hidden_size)
    weights = {name.removesuffix("_l0"): w for name, w in layer.state_dict().items()}
    cell.load_state_dict(weights)
    return cell


@torch.no_grad()
def stream_cell(cell, head, x):
    state = None
    for step in x:
        state = cell(step[None], state)
        head(state[0] if isinstance(state, tuple) else state)


class NextCode(nn.Module):
    """An embedding, a layer, and a head that scores the next code."""

    def __init__(self, layer, n_codes, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(n_codes, 16)
        self.layer = getattr(nn, layer)(16, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, n_codes)

    def forward(self, codes, state=None):
        outputs, state = self.layer(self.embedding(codes), state)
        return self.head(outputs), state


def detach(state):
    return (
        tuple(p.detach() for p in state) if isinstance(state, tuple) else state.detach()
    )


def fit_text(layer, hidden_size, codes, n_codes, epochs, batch_size=32, bptt=128):
    """Train on one text, cut into ``batch_size`` parts that are read side by side."""
    module = NextCode(layer, n_codes, hidden_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    length = len(codes) // batch_size
    rows = codes[: length * batch_size].view(batch_size, length)
    for _ in range(epochs):
        state = None
        for start in range(0, length - 1, bptt):
            x = rows[:, start : min(start + bptt, length - 1)]
            y = rows[:, start + 1 : start + 1 + x.shape[1]]
            optimizer.zero_grad()
            outputs, state = module(x, state)
            state = detach(state)
            nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten()).backward()
            optimizer.step()
    return module


@torch.no_grad()
def draw(module, n_texts, n_codes):
    """Draw codes, one after another."""
    codes, state, drawn = torch.zeros(n_texts, 1, dtype=torch.long), None, []
    for _ in range(n_codes):
        outputs, state = module(codes, state)
        codes = torch.multinomial(torch.softmax(outputs[:, -1], 1), 1)
        drawn.append(codes)
    return torch.cat(drawn, 1)


class EncoderDecoder(nn.Module):
    """A GRU in both directions, and one that attends to it (Luong et al., 2015).

    ``fed``, the decoder reads beside each code what the attention found before.
    """

    def __init__(self, n_codes, hidden_size, fed):
        super().__init__()
        self.source = nn.Embedding(n_codes, 16)
        self.target = nn.Embedding(n_codes + 1, 16)
        self.encoder = nn.GRU(16, hidden_size, batch_first=True, bidirectional=True)
        size = 16 + hidden_size if fed else 16
        self.decoder = nn.GRU(size, hidden_size, batch_first=True)
        self.begin = nn.Linear(2 * hidden_size, hidden_size)
        self.key = nn.Linear(2 * hidden_size, hidden_size, bias=False)
        self.join = nn.Linear(3 * hidden_size, hidden_size)
        self.head = nn.Linear(hidden_size, n_codes + 1)
        self.fed = fed

    def attend(self, outputs, read, keys):
        shares = torch.softmax(outputs @ keys.mT, 2)
        return torch.tanh(self.join(torch.cat([shares @ read, outputs], 2)))

    def forward(self, x, written):
        read, last = self.encoder(self.source(x))
        state = torch.tanh(self.begin(torch.cat([*last], 1)))[None]
        keys, before = self.key(read), self.target(written)
        if not self.fed:
            return self.head(self.attend(self.decoder(before, state)[0], read, keys))
        found, scores = read.new_zeros(len(x), 1, state.shape[2]), []
        for step in before.split(1, dim=1):
            outputs, state = self.decoder(torch.cat([step, found], 2), state)
            found = self.attend(outputs, read, keys)
            scores.append(self.head(found))
        return torch.cat(scores, 1)


def fit_pairs(hidden_size, x, y, n_codes, epochs, batch_size=32, fed=False):
    """Train on x and y (n, n_steps), whose ends have the code ``n_codes``."""
    module = EncoderDecoder(n_codes, hidden_size, fed)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    mark = torch.full((len(y), 1), n_codes)
    written, targets = torch.cat([mark, y], 1), torch.cat([y, mark], 1)
    for _ in range(epochs):
        for rows in batches(len(x), batch_size, x.device):
            optimizer.zero_grad()
            scores = module(x[rows], written[rows]).flatten(0, 1)
            nn.functional.cross_entropy(scores, targets[rows].flatten()).backward()
            optimizer.step()
    return module
