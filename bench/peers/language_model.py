"""DARTS for recurrent cells on text (Liu, Simonyan, Yang, arXiv:1806.09055, sections 3.1.2, A.1.2 and A.2.2) with the dropouts of AWD-LSTM
(Merity, Keskar, Socher, arXiv:1708.02182) in PyTorch: the rival in timings, the oracle in tests.

Weights bear the names of the published code. V words, n numbers of an embedding and of a state, B columns of text, T time steps.
Models are made in PyTorch's default dtype and on its default device.
"""

import contextlib
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

NODES = 8
ROWS = NODES * (NODES + 1) // 2
# The columns of alpha; none takes its share and adds nothing.
ACTIVATIONS = {"none": None, "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x}
INITIAL_RANGE = 0.04


class Genotype(NamedTuple):
    """Of node i = 1, 2 ... the activation and the predecessor; 0 is the state made of input and hidden state."""

    recurrent: tuple
    concat: tuple


GENOTYPES = {
    "DARTS_V1": Genotype(
        (("relu", 0), ("relu", 1), ("tanh", 2), ("relu", 3), ("relu", 4), ("identity", 1), ("relu", 5), ("relu", 1)), tuple(range(1, 9))
    ),
    "DARTS_V2": Genotype(
        (("sigmoid", 0), ("relu", 1), ("relu", 1), ("identity", 1), ("tanh", 2), ("sigmoid", 5), ("tanh", 3), ("relu", 5)),
        tuple(range(1, 9)),
    ),
    "ENAS": Genotype(
        tuple(zip(("tanh", "tanh", "relu", "tanh", "tanh", *["relu"] * 6), (0, 1, 1, 3, 3, 3, 4, 7, 8, 8, 8))), (2, 5, 6, 9, 10, 11)
    ),
}


class Dropouts(NamedTuple):
    """Probabilities by the published names."""

    dropoute: float = 0.0
    dropouti: float = 0.0
    dropoutx: float = 0.0
    dropouth: float = 0.0
    dropout: float = 0.0


class Masks(NamedTuple):
    """Of one pass, already divided by what is kept; None drops nothing."""

    e: torch.Tensor = None  # [V, 1], rows of the embedding
    i: torch.Tensor = None  # [1, B, n], what was looked up
    x: torch.Tensor = None  # [B, n], input of W0
    h: torch.Tensor = None  # [B, n], states in front of W0 and Ws
    output: torch.Tensor = None  # [1, B, n], in front of the decoder


def mask_shapes(words, columns, size):
    return ((words, 1), (1, columns, size), (columns, size), (columns, size), (1, columns, size))


def draw_masks(dropouts, words, columns, like, generator=None):
    """In the published order."""

    def drawn(shape, probability):
        keep = 1 - probability
        return like.new_empty(shape).bernoulli_(keep, generator=generator).div_(keep) if probability > 0 else None

    return Masks(*map(drawn, mask_shapes(words, columns, like.shape[-1]), dropouts))


def masked(values, mask):
    return values if mask is None else values * mask


def recurrent_weight(rows, columns):
    return nn.Parameter(torch.empty(rows, columns).uniform_(-INITIAL_RANGE, INITIAL_RANGE))


class Cell(nn.Module):
    """One time step, [B, n] and [B, n] to [B, n]; of products, the left half of the columns makes gates, the right one candidates.

    `tuned` is the same number for less work: the inputs' product with W0 is one for all time steps.
    """

    def __init__(self, size, nodes, tuned):
        super().__init__()
        self._W0 = recurrent_weight(2 * size, 2 * size)
        self._Ws = nn.ParameterList(recurrent_weight(size, 2 * size) for _ in range(nodes))
        self.tuned = tuned

    def inputs(self, embedded, masks):
        """What `forward` takes as x at each of the time steps of [T, B, n]."""
        return masked(embedded, masks.x) @ self._W0[: embedded.shape[-1]] if self.tuned else embedded

    def first_state(self, x, hidden, masks):
        if self.tuned:
            product = torch.addmm(x, masked(hidden, masks.h), self._W0[hidden.shape[-1] :])
        else:
            product = torch.cat([masked(x, masks.x), masked(hidden, masks.h)], dim=-1) @ self._W0
        gate, candidate = product.chunk(2, dim=-1)
        return hidden + gate.sigmoid() * (candidate.tanh() - hidden)


class DerivedCell(Cell):
    """A genotype's."""

    def __init__(self, size, genotype, tuned=False):
        super().__init__(size, len(genotype.recurrent), tuned)
        self.genotype = genotype

    def forward(self, x, hidden, masks):
        states = [self.first_state(x, hidden, masks)]
        for weight, (activation, predecessor) in zip(self._Ws, self.genotype.recurrent):
            state = states[predecessor]
            gate, candidate = (masked(state, masks.h) @ weight).chunk(2, dim=-1)
            states.append(state + gate.sigmoid() * (ACTIVATIONS[activation](candidate) - state))
        return torch.stack([states[node] for node in self.genotype.concat]).mean(dim=0)


class SearchCell(Cell):
    """Every activation of every pair of nodes, mixed by the softmax of alpha [36, 5]: node i has rows i(i-1)/2 ..., one a predecessor.

    Alpha is no parameter: it is in no state dict and no optimiser of weights. If `tuned`, activations are summed before the gate is
    applied, in fewer passes over memory.
    """

    def __init__(self, size, tuned=False):
        super().__init__(size, NODES, tuned)
        self.bn = nn.BatchNorm1d(size, affine=False)
        self.alpha = (1e-3 * torch.randn(ROWS, len(ACTIVATIONS))).requires_grad_()

    def forward(self, x, hidden, masks):
        shares = self.alpha.softmax(dim=-1)
        states = self.bn(self.first_state(x, hidden, masks)).unsqueeze(0)
        for node, weight in enumerate(self._Ws):
            # All predecessors at once, [node + 1, B, n].
            gate, candidate = (masked(states, masks.h) @ weight).chunk(2, dim=-1)
            first = node * (node + 1) // 2
            mix = self.mix_folded if self.tuned else self.mix
            mixed = mix(shares[first : first + node + 1], states, gate.sigmoid(), candidate)
            states = torch.cat([states, self.bn(mixed).unsqueeze(0)])
        return states[1:].mean(dim=0)

    def mix(self, shares, states, gate, candidate):
        total = torch.zeros_like(states[0])
        for share, activation in zip(shares.T, ACTIVATIONS.values()):
            if activation is not None:
                activated = states + gate * (activation(candidate) - states)
                total = total + (share[:, None, None] * activated).sum(dim=0)
        return total

    def mix_folded(self, shares, states, gate, candidate):
        columns = shares.T[..., None, None]
        active = [share * activation(candidate) for share, activation in zip(columns, ACTIVATIONS.values()) if activation is not None]
        kept = columns[1:].sum(dim=0) * states
        return (kept + gate * (sum(active) - kept)).sum(dim=0)


class Output(NamedTuple):
    """Of a pass."""

    log_probabilities: torch.Tensor  # [T, B, V]
    raw: torch.Tensor  # [T, B, n], outputs of the cell
    dropped: torch.Tensor  # [T, B, n], the same in front of the decoder
    hidden: torch.Tensor  # [B, n], the last of the raw ones


class LanguageModel(nn.Module):
    """Embedding, a recurrent cell, and the embedding again as decoder."""

    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, words, cell):
        super().__init__()
        size = cell._Ws[0].shape[0]
        self.encoder = nn.Embedding(words, size)
        self.rnns = nn.ModuleList([cell])
        self.decoder = nn.Linear(size, words)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -INITIAL_RANGE, INITIAL_RANGE)
        nn.init.zeros_(self.decoder.bias)

    @property
    def alpha(self):
        """Of a search."""
        return self.rnns[0].alpha

    def weights(self):
        """In flat order, the tied one once."""
        return list(self.parameters())

    def initial_hidden(self, columns):
        return self.encoder.weight.new_zeros(columns, self.encoder.embedding_dim)

    def forward(self, tokens, hidden, masks=Masks()):
        """Tokens [T, B], hidden [B, n]. Batch statistics or running ones as the module's mode has it."""
        embedded = masked(functional.embedding(tokens, masked(self.encoder.weight, masks.e)), masks.i)
        (cell,), outputs = self.rnns, []
        with self.autocast():
            for x in cell.inputs(embedded, masks):
                hidden = cell(x, hidden, masks)
                outputs.append(hidden)
            raw = torch.stack(outputs)
            dropped = masked(raw, masks.output)
            logits = self.decoder(dropped)
        return Output(functional.log_softmax(logits.to(embedded.dtype), dim=-1), raw, dropped, hidden)


def entropy(output, targets):
    """The mean over T·B of minus the log-probability of targets [T·B]."""
    return functional.nll_loss(output.log_probabilities.flatten(0, 1), targets)


def regularised(nll, output, alpha, beta):
    """The loss of a weight step: activation and slowness beside the entropy; `alpha` is an option here. Slowness wants T of 2 or more."""
    if alpha > 0:
        nll = nll + alpha * output.dropped.square().mean()
    return nll + beta * (output.raw[1:] - output.raw[:-1]).square().mean()
