"""One DARTS search step in PyTorch, also of NAS-Bench-201's supernet: an alpha step on a validation batch, then a weight step on a training batch."""

import copy

import torch
from torch import nn

from darts_supernet import Supernet
from execution import Execution, Recordable
from nasbench201_network import Network

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.025, 0.9, 3e-4, 5.0
RADIUS = 0.01


def hypergradient(model, train, validation, momenta, learning_rate, momentum, weight_decay, unrolled=None):
    """The one-step unrolled hypergradient by finite differences (arXiv:1806.09055, equations 7 and 8).

    Weights keep their bits; the passes at the unrolled weights run on a copy, so that its batch-norm buffers are its own.
    With a given copy, `unrolled`, which is overwritten, nothing waits for the device, so that a step can be recorded.
    """
    weights, alphas = model.weights(), model.alphas()
    waits = unrolled is None
    gradients = torch.autograd.grad(model.loss(*train), weights)
    unrolled = copy.deepcopy(model) if waits else overwritten(unrolled, model)
    with torch.no_grad():
        for copied, gradient, buffer in zip(unrolled.weights(), gradients, momenta):
            copied -= learning_rate * (momentum * buffer + gradient + weight_decay * copied)
    loss = unrolled.loss(*validation)
    both = torch.autograd.grad(loss, unrolled.alphas() + unrolled.weights())
    direct, direction = both[: len(alphas)], both[len(alphas) :]
    epsilon = RADIUS / torch.sqrt(sum(v.square().sum() for v in direction))
    if waits:
        epsilon = epsilon.item()
    kept = [weight.detach().clone() for weight in weights]
    sides = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            for weight, base, v in zip(weights, kept, direction):
                if waits:
                    torch.add(base, v, alpha=sign * epsilon, out=weight)
                else:
                    torch.addcmul(base, v, epsilon, value=sign, out=weight)
        sides.append(torch.autograd.grad(model.loss(*train), alphas))
    with torch.no_grad():
        for weight, base in zip(weights, kept):
            weight.copy_(base)
    plus, minus = sides
    return loss.detach(), [d - learning_rate * (p - m) / (2 * epsilon) for d, p, m in zip(direct, plus, minus)]


def overwritten(target, source):
    """`target` with the parameters and buffers of `source`."""
    with torch.no_grad():
        for mine, theirs in zip(target.parameters(), source.parameters()):
            mine.copy_(theirs)
        for mine, theirs in zip(target.buffers(), source.buffers()):
            mine.copy_(theirs)
    return target


class SearchStep(Recordable):
    """A supernet with its optimisers and two random batches; call it to take one step, which returns the training loss.

    `published` computes as the published code does: contiguous NCHW and `backward()`, which fills every gradient in both
    passes. `tuned` is PyTorch at its best without other code: channels last, only the gradients that are asked for, and
    no arithmetic for the candidate `none`; on a GPU it never waits within a step.
    """

    def __init__(self, form, work, batch, channels, layers, size=32, execution=Execution(), classes=10):
        torch.manual_seed(0)
        self.tuned, self.second_order = form == "tuned", work == "second order"
        self.execution = execution
        if work == "nasbench201":
            self.model = Network(channels, layers // 3, classes, skip_zero=self.tuned)
        else:
            self.model = Supernet(channels, layers, classes, skip_zero=self.tuned)
        layout = torch.channels_last if self.tuned else torch.contiguous_format
        device = execution.device
        self.model.to(device=device, memory_format=layout)
        self.model.autocast = execution.autocast
        self.train, self.validation = (
            (
                torch.randn(batch, 3, size, size).contiguous(memory_format=layout).to(device),
                torch.randint(classes, (batch,)).to(device),
            )
            for _ in range(2)
        )
        self.unrolled = copy.deepcopy(self.model) if self.second_order and self.tuned and device != "cpu" else None
        for model in (self.model, self.unrolled):
            if model is not None:
                execution.compile(model.cells)
        capturable = {"capturable": True} if execution.graphed else {}
        self.sgd = torch.optim.SGD(self.model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.adam = torch.optim.Adam(self.model.alphas(), 3e-4, betas=(0.5, 0.999), weight_decay=1e-3, **capturable)

    def step(self):
        self.differentiate_alphas()
        self.adam.step()
        loss = self.differentiate(self.train, self.sgd, self.model.weights())
        nn.utils.clip_grad_norm_(self.model.weights(), CLIP)
        self.sgd.step()
        return loss

    def differentiate_alphas(self):
        if not self.second_order:
            self.differentiate(self.validation, self.adam, self.model.alphas())
            return
        momenta = [self.momentum_of(weight) for weight in self.model.weights()]
        rates = (LEARNING_RATE, MOMENTUM, WEIGHT_DECAY)
        _, gradients = hypergradient(self.model, self.train, self.validation, momenta, *rates, unrolled=self.unrolled)
        for alpha, gradient in zip(self.model.alphas(), gradients):
            alpha.grad = gradient

    def momentum_of(self, weight):
        buffer = self.sgd.state[weight].get("momentum_buffer")
        return torch.zeros_like(weight) if buffer is None else buffer

    def differentiate(self, batch, optimiser, parameters):
        optimiser.zero_grad()
        loss = self.model.loss(*batch)
        if self.tuned:
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
                parameter.grad = gradient
        else:
            loss.backward()
        return loss.detach()
