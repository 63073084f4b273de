"""Weight steps of a language model as the published code takes them, and its scoring."""

from typing import NamedTuple

import torch

from language_model import Masks, entropy, regularised


class Settings(NamedTuple):
    """The published names; defaults are those of the published search. `alpha` and `beta` are the factors of the regularisers.

    Below them, what repairs a fault of the original; by default all is computed as there.
    """

    lr: float = 20.0
    clip: float = 0.25
    bptt: int = 35
    alpha: float = 0.0
    beta: float = 1e-3
    wdecay: float = 5e-7
    arch_lr: float = 3e-3
    arch_wdecay: float = 1e-3
    unrolled: bool = False
    # Averaged SGD uses a step's own rate, not the last step's.
    current_rate: bool = False
    # The unrolled weights have a new embedding as well.
    new_embedding: bool = False
    # A clipping factor above 1 does not stretch the implicit term.
    clamped: bool = False
    # The masks of w - εv are those of w + εv.
    same_masks: bool = False
    # The groups' gradients are added up in a search as well.
    add_groups: bool = False
    # The validation text's hidden state is zero where the text begins anew.
    zero_at_wrap: bool = False

    def rate(self, length):
        """Of a step whose drawn length is that, even where fewer rows are left."""
        return self.lr * length / self.bptt


class Batch(NamedTuple):
    """Of one column group."""

    tokens: torch.Tensor  # [T, B]
    targets: torch.Tensor  # [T * B], time-major


def batched(tokens, columns):
    """A text as [R, columns]; what fills no row is dropped."""
    rows = len(tokens) // columns
    return tokens[: rows * columns].view(columns, rows).T.contiguous()


def batches_at(text, row, length, groups=1):
    """The batch at a row of [R, B], by groups of columns; at most `length` rows, and one is left to be a target."""
    steps = min(length, len(text) - 1 - row)
    parts = zip(text[row : row + steps].chunk(groups, dim=1), text[row + 1 : row + 1 + steps].chunk(groups, dim=1))
    return [Batch(tokens, targets.flatten()) for tokens, targets in parts]


class Clipping(NamedTuple):
    norm: torch.Tensor
    # Above 1 where the norm is below the limit.
    coefficient: torch.Tensor

    def apply(self, gradients):
        factor = self.coefficient.clamp(max=1)
        return [factor * gradient for gradient in gradients]


def norm_of(tensors):
    return torch.sqrt(sum(tensor.square().sum() for tensor in tensors))


def clipping(gradients, limit):
    norm = norm_of(gradients)
    return Clipping(norm, limit / (norm + 1e-6))


class Figures(NamedTuple):
    """Of the pass of a weight step over one group."""

    nll: torch.Tensor
    # With regularisers, times the group's share of the columns.
    loss: torch.Tensor


class Training:
    """Weight steps one after another, with a hidden state carried for each column group.

    `differentiate` gives a loss's gradients of parameters.
    """

    def __init__(self, model, settings, averaged=False, differentiate=torch.autograd.grad):
        self.model, self.settings, self.averaged, self.differentiate = model, settings, averaged, differentiate
        make = (lambda *given, **rest: torch.optim.ASGD(*given, lambd=0, t0=0, **rest)) if averaged else torch.optim.SGD
        self.optimiser = make(model.weights(), settings.lr, weight_decay=settings.wdecay)
        self.hidden = []

    def begin_epoch(self, columns, groups=1):
        """`columns` of the whole batch."""
        self.hidden = [self.model.initial_hidden(columns // groups) for _ in range(groups)]

    def gradients(self, group, batch, masks=Masks()):
        """Figures of the pass and gradients of the weights; carries the group's hidden state on."""
        output = self.model(batch.tokens, self.hidden[group], masks)
        self.hidden[group] = output.hidden.detach()
        nll = entropy(output, batch.targets)
        loss = regularised(nll, output, self.settings.alpha, self.settings.beta) / len(self.hidden)
        gradients = self.differentiate(loss, self.model.weights())
        return Figures(nll.detach(), loss.detach()), gradients

    def apply(self, gradients, length):
        """Clips and steps; tells how it clipped."""
        how = clipping(gradients, self.settings.clip)
        for weight, gradient in zip(self.model.weights(), how.apply(gradients)):
            weight.grad = gradient
        for options in self.optimiser.param_groups:
            options["lr"] = self.settings.rate(length)
        if self.averaged and self.settings.current_rate:
            for state in self.optimiser.state.values():
                state["eta"].fill_(self.settings.rate(length))
        self.optimiser.step()
        return how

    def step(self, batches, masks, length):
        """One step over the column groups, each with its masks."""
        passes = [self.gradients(group, *given) for group, given in enumerate(zip(batches, masks))]
        figures, gradients = zip(*passes)
        return figures, self.apply([sum(parts) for parts in zip(*gradients)], length)

    def averages(self):
        """Of the weights, in flat order."""
        return [self.optimiser.state[weight]["ax"] for weight in self.model.weights()]


class Score(NamedTuple):
    # The published one divides by all rows, though the last one has no target.
    published: float
    exact: float


@torch.no_grad()
def score(model, text, bptt):
    """Mean entropies of a text [R, B] with running statistics and a carried hidden state."""
    model.eval()
    hidden, total, rows = model.initial_hidden(text.shape[1]), 0.0, len(text)
    for row in range(0, rows - 1, bptt):
        (batch,) = batches_at(text, row, bptt)
        output = model(batch.tokens, hidden)
        hidden = output.hidden
        total += len(batch.tokens) * entropy(output, batch.targets).item()
    model.train()
    return Score(total / rows, total / (rows - 1))
