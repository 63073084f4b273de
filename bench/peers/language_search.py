"""The search of a recurrent cell on text (arXiv:1806.09055, sections 2.3 and 3.1.2) in PyTorch: architecture steps of first and second
order beside weight steps."""

import contextlib
from typing import NamedTuple

import torch

from language_model import Masks, entropy
from language_training import Batch, Clipping, Figures, Training, clipping, norm_of

RADIUS = 0.01


class StepMasks(NamedTuple):
    """Of the passes of a step over one column group, in their order; the first order takes only those of `validation` and `weights`."""

    unrolled: Masks = Masks()
    validation: Masks = Masks()
    plus: Masks = Masks()
    minus: Masks = Masks()
    weights: Masks = Masks()


class Hypergradient(NamedTuple):
    """Of second order, with its parts."""

    alpha: torch.Tensor  # [36, 5], the whole
    nll: torch.Tensor  # of the validation batch at the unrolled weights
    hidden: torch.Tensor  # [B, n], of that pass
    clipping: Clipping  # of the gradient that unrolls
    unrolled: list  # w'
    direct: torch.Tensor  # [36, 5], at the unrolled weights
    clipping_direction: Clipping  # of v
    direction: list  # v, clipped
    epsilon: torch.Tensor
    plus: torch.Tensor  # [36, 5], at w + εv
    minus: torch.Tensor  # [36, 5], at w - εv
    implicit: torch.Tensor  # [36, 5], what is taken from `direct`


@contextlib.contextmanager
def weights_at(model, values):
    """The model at other weights; then its own come back, to the bit."""
    kept = [weight.detach().clone() for weight in model.weights()]
    put(model.weights(), values)
    try:
        yield
    finally:
        put(model.weights(), kept)


@contextlib.contextmanager
def statistics_kept(model):
    """Whatever passes do to running statistics is undone."""
    kept = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        put(model.buffers(), kept)


@torch.no_grad()
def put(tensors, values):
    for tensor, value in zip(tensors, values):
        tensor.copy_(value)


def unrolled_weights(model, gradients, rate, settings):
    """One step of SGD on. The published copy keeps the old embedding: it is filled by name, and the decoder's is an old one."""
    moved = [w.detach() - rate * (g + settings.wdecay * w.detach()) for w, g in zip(model.weights(), gradients)]
    return moved if settings.new_embedding else [model.encoder.weight.detach().clone(), *moved[1:]]


def hypergradient(model, train, hidden, validation, validation_hidden, masks, rate, settings):
    """The published second order by finite differences. Weights keep their bits; nothing waits for the device."""
    alpha, weights = model.alpha, model.weights()

    def train_nll(chosen):
        return entropy(model(train.tokens, hidden, chosen), train.targets)

    gradients = torch.autograd.grad(train_nll(masks.unrolled), weights)
    how = clipping(gradients, settings.clip)
    unrolled = unrolled_weights(model, how.apply(gradients), rate, settings)
    with weights_at(model, unrolled), statistics_kept(model):
        output = model(validation.tokens, validation_hidden, masks.validation)
        nll = entropy(output, validation.targets)
        direct, *direction = torch.autograd.grad(nll, [alpha, *weights])
    how_direction = clipping(direction, settings.clip)
    direction = how_direction.apply(direction)
    epsilon = RADIUS / norm_of(direction)
    sides = []
    for sign, chosen in ((1, masks.plus), (-1, masks.plus if settings.same_masks else masks.minus)):
        with weights_at(model, [w.detach() + sign * epsilon * v for w, v in zip(weights, direction)]):
            sides.append(torch.autograd.grad(train_nll(chosen), alpha)[0])
    plus, minus = sides
    coefficient = how.coefficient.clamp(max=1) if settings.clamped else how.coefficient
    implicit = rate * coefficient * (plus - minus) / (2 * epsilon)
    return Hypergradient(
        alpha=direct - implicit,
        nll=nll.detach(),
        hidden=output.hidden.detach(),
        clipping=how,
        unrolled=unrolled,
        direct=direct,
        clipping_direction=how_direction,
        direction=direction,
        epsilon=epsilon,
        plus=plus,
        minus=minus,
        implicit=implicit,
    )


class ArchitectureStep(NamedTuple):
    nll: torch.Tensor  # of the validation batch
    gradient: torch.Tensor  # [36, 5], before the decay
    parts: Hypergradient = None  # of second order


class GroupFigures(NamedTuple):
    """Of one column group."""

    architecture: ArchitectureStep
    alpha: torch.Tensor  # [36, 5], after the step
    weights: Figures


def validation_row(row, rows):
    """Where the validation text [rows, B] is read beside a row of the training text, and how often it has begun anew."""
    wraps, place = divmod(row, rows - 1)
    return place, wraps


class Search:
    """A whole search's state: both hidden states of every column group, Adam's moments, and what `Training` holds."""

    def __init__(self, model, settings, differentiate=torch.autograd.grad, **adam):
        self.model, self.settings, self.differentiate = model, settings, differentiate
        self.training = Training(model, settings, differentiate=differentiate)
        rule = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": settings.arch_wdecay}
        self.adam = torch.optim.Adam([model.alpha], settings.arch_lr, **rule, **adam)
        self.hidden, self.wraps = [], 0

    def begin_epoch(self, columns, groups=1):
        self.training.begin_epoch(columns, groups)
        self.hidden, self.wraps = list(self.training.hidden), 0

    def step(self, train, validation, masks, length, wraps=0):
        """For each column group alpha, then its share of the weights' gradient; one weight step. `wraps` is that of `validation_row`."""
        if wraps != self.wraps and self.settings.zero_at_wrap:
            self.hidden = [torch.zeros_like(hidden) for hidden in self.hidden]
        self.wraps = wraps
        figures, total = [], None
        for group, chosen in enumerate(masks):
            architecture = self.architecture_step(group, train[group], validation[group], chosen, length)
            alpha = self.model.alpha.detach().clone()
            passed, gradients = self.training.gradients(group, train[group], chosen.weights)
            # Before each group the published code clears what the earlier ones gave.
            add = total is not None and self.settings.add_groups
            total = [sum(parts) for parts in zip(total, gradients)] if add else gradients
            figures.append(GroupFigures(architecture, alpha, passed))
        return figures, self.training.apply(total, length)

    def architecture_step(self, group, train: Batch, validation: Batch, masks, length):
        model, settings = self.model, self.settings
        if settings.unrolled:
            hidden = self.training.hidden[group]
            rate = settings.rate(length)
            parts = hypergradient(model, train, hidden, validation, self.hidden[group], masks, rate, settings)
            step, self.hidden[group] = ArchitectureStep(parts.nll, parts.alpha, parts), parts.hidden
        else:
            output = model(validation.tokens, self.hidden[group], masks.validation)
            nll = entropy(output, validation.targets)
            step, self.hidden[group] = ArchitectureStep(nll.detach(), *self.differentiate(nll, [model.alpha])), output.hidden.detach()
        model.alpha.grad = step.gradient.clone()
        self.adam.step()
        return step
