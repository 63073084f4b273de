"""One joint step of CDARTS (Yu et al., arXiv:2006.10724) in PyTorch: alpha and the evaluation network by both networks' losses on a
validation batch, then the search network on a training batch."""

import torch
from torch import nn

from cdarts_networks import CELLS, EDGES, OPERATIONS, SearchNetwork, key, share_modules
from cdarts_search import Cycle, Settings, draw_alphas, regularised
from execution import Execution, Recordable

# CDARTS_CIFAR, so that both sides run the same evaluation network.
DECISION = {
    "normal_n2_p0": 3,
    "normal_n2_p1": 3,
    "normal_n3_p1": 3,
    "normal_n3_p2": 3,
    "normal_n4_p0": 3,
    "normal_n4_p1": 3,
    "normal_n5_p0": 2,
    "normal_n5_p2": 2,
    "reduce_n2_p0": 0,
    "reduce_n2_p1": 4,
    "reduce_n3_p0": 2,
    "reduce_n3_p2": 6,
    "reduce_n4_p0": 3,
    "reduce_n4_p1": 4,
    "reduce_n5_p0": 3,
    "reduce_n5_p2": 6,
}


def tables(rows):
    """Alpha as one table [edges, logits] a cell type."""
    return {cell: nn.Parameter(torch.stack([rows[key(cell, *edge)].detach() for edge in EDGES])) for cell in CELLS}


class TunedCycle(Cycle):
    """Alpha is two tables, and only the gradients that a step uses are computed; nothing waits for the device.

    With one decision throughout and no decay of weights, gradients of zero change nothing: these are the published cycle's numbers.
    """

    def __init__(self, search, evaluation, alphas, settings, **adam):
        super().__init__(search, evaluation, alphas, settings, **adam)
        self.masks = {
            cell: torch.tensor(
                [[float(index in regularised(key(cell, *edge))) for index in range(table.shape[1])] for edge in EDGES]
            ).to(table)
            for cell, table in alphas.items()
        }

    def mixing(self, constant=False):
        weights = {cell: (table.detach() if constant else table).softmax(1) for cell, table in self.alphas.items()}
        rows = {key(cell, *edge): row for cell, table in weights.items() for edge, row in zip(EDGES, table)}
        return {name: list(enumerate(row[: len(OPERATIONS)])) for name, row in rows.items()}

    def constant_mixing(self):
        return self.mixing(constant=True)

    def penalty(self):
        return sum((table.abs() * self.masks[cell]).sum() for cell, table in self.alphas.items())

    def clear(self, optimiser):
        optimiser.zero_grad()

    def differentiate(self, loss, parameters):
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True)):
            parameter.grad = gradient


class JointStep(Recordable):
    """As `SearchStep` of search_step.py, in the published script's setting: both networks, their optimisers and two random batches.

    `layers` are those of the search network; the evaluation network has 20 where it has 8.
    """

    def __init__(self, form, batch, channels, layers, size=32, execution=Execution(), classes=10):
        torch.manual_seed(0)
        tuned = form == "tuned"
        self.execution = execution
        layout = torch.channels_last if tuned else torch.contiguous_format
        networks = [SearchNetwork(channels, count, classes) for count in (layers, layers * 5 // 2)]
        share_modules(*networks)
        for network in networks:
            network.to(device=execution.device, memory_format=layout)
            network.autocast = execution.autocast
            execution.compile(network.cells)
        alphas = {name: nn.Parameter(row.detach().to(execution.device)) for name, row in draw_alphas().items()}
        capturable = {"capturable": True} if execution.graphed else {}
        if tuned:
            self.cycle = TunedCycle(*networks, tables(alphas), Settings(), **capturable)
        else:
            self.cycle = Cycle(*networks, alphas, Settings(), **capturable)
        self.train, self.validation = (
            (
                torch.randn(batch, 3, size, size).contiguous(memory_format=layout).to(execution.device),
                torch.randint(classes, (batch,)).to(execution.device),
            )
            for _ in range(2)
        )

    def step(self):
        """The loss of the training batch. The regulariser has its largest factor."""
        settings = self.cycle.settings
        return self.cycle.joint_step(self.train, self.validation, DECISION, settings.warmup_epochs)["loss"]
