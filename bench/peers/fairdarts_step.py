"""One FairDARTS search step in PyTorch (Chu, Zhou, Zhang, Li, arXiv:1911.12126), of two levels or of one."""

import torch
from torch import nn

from darts_supernet import Supernet
from execution import Execution, Recordable

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.005, 0.9, 3e-4, 5.0
ARCH_LEARNING_RATE, ARCH_BETAS, ARCH_WEIGHT_DECAY = 3e-3, (0.9, 0.999), 1e-3
AUX_LOSS_WEIGHT = 10.0


def zero_one(model, form="l2"):
    """Minus the mean distance of all mixing weights from one half, squared or absolute."""
    distances = torch.cat(model.mixing()) - 0.5
    return -(distances.square() if form == "l2" else distances.abs()).mean()


class FairStep(Recordable):
    """As `SearchStep` of search_step.py: a supernet, its optimisers and two random batches.

    `published` fills every gradient in both passes, and computes the zero-one loss in both; `tuned` asks for what is used.
    """

    def __init__(self, form, batch, channels, layers, size=32, execution=Execution(), classes=10):
        torch.manual_seed(0)
        self.tuned, self.execution = form == "tuned", execution
        layout = torch.channels_last if self.tuned else torch.contiguous_format
        self.model = Supernet(channels, layers, classes, fair=True).to(device=execution.device, memory_format=layout)
        self.model.autocast = execution.autocast
        self.train, self.search = (
            (
                torch.randn(batch, 3, size, size).contiguous(memory_format=layout).to(execution.device),
                torch.randint(classes, (batch,)).to(execution.device),
            )
            for _ in range(2)
        )
        execution.compile(self.model.cells)
        capturable = {"capturable": True} if execution.graphed else {}
        self.sgd = torch.optim.SGD(self.model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.adam = torch.optim.Adam(
            self.model.alphas(), ARCH_LEARNING_RATE, ARCH_BETAS, weight_decay=ARCH_WEIGHT_DECAY, **capturable
        )

    def step(self):
        self.differentiate(self.search, self.adam, self.model.alphas())
        self.adam.step()
        loss = self.differentiate(self.train, self.sgd, self.model.weights())
        nn.utils.clip_grad_norm_(self.model.weights(), CLIP)
        self.sgd.step()
        return loss

    def differentiate(self, batch, optimiser, parameters):
        optimiser.zero_grad()
        entropy = self.model.loss(*batch)
        loss = entropy + AUX_LOSS_WEIGHT * zero_one(self.model)
        if self.tuned:
            # The zero-one loss has no gradient for the weights.
            of = loss if optimiser is self.adam else entropy
            for parameter, gradient in zip(parameters, torch.autograd.grad(of, parameters)):
                parameter.grad = gradient
        else:
            loss.backward()
        return loss.detach()
