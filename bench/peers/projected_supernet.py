"""The supernet of DARTS-PT (Wang et al., arXiv:2108.04392) in PyTorch, some of whose mixing weights are decided: the rival in timings, the
oracle in tests.

Parameters bear the names of DARTS' code, so that both sides speak of the same tensor. Tensors are [N, C, H, W].
"""

import contextlib

import torch
from torch import nn
from torch.nn import functional

from darts_supernet import FactorizedReduce, relu_conv_norm
from execution import Execution
from stacnas_supernet import candidate

S3 = ("none", "skip_connect", "sep_conv_3x3")
S5 = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


class ProjectedEdge(nn.Module):
    """The sum of the candidates whose weight is not exactly 0; the others do not run. 0 where there are none."""

    def __init__(self, names, channels, stride):
        super().__init__()
        self._ops = nn.ModuleList(candidate(name, channels, stride) for name in names)

    def forward(self, x, row):
        runs = (row.detach() != 0).tolist()
        return sum(weight * op(x) for weight, op, run in zip(row, self._ops, runs) if run)


class ProjectedCell(nn.Module):
    def __init__(self, names, nodes, before, previous, channels, reduction, reduction_before):
        super().__init__()
        self.reduction, self.nodes = reduction, nodes
        self.preprocess0 = (FactorizedReduce if reduction_before else relu_conv_norm)(before, channels)
        self.preprocess1 = relu_conv_norm(previous, channels)
        strides = [2 if reduction and state < 2 else 1 for node in range(nodes) for state in range(2 + node)]
        self._ops = nn.ModuleList(ProjectedEdge(names, channels, stride) for stride in strides)

    def forward(self, s0, s1, rows):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        first = 0
        for node in range(self.nodes):
            last = first + 2 + node
            states.append(sum(op(state, row) for state, op, row in zip(states, self._ops[first:last], rows[first:last])))
            first = last
        return torch.cat(states[2:], dim=1)


class ProjectedSupernet(nn.Module):
    """Images [N, 3, H, W] to logits [N, classes]; alphas are [edges, candidates].

    `decided` says by cell type which rows are no longer open: the candidate that one keeps, or None where its edge is dropped. `masked` has
    (cell type, row, candidate) of weights that are 0 besides, all of a row where the candidate is None. `given` puts whole tables of weights
    in the place of all that.
    """

    # Within which the loss is computed.
    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, names, channels=16, layers=8, classes=10, nodes=4):
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before, previous, reduction_before = stem, stem, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            self.cells.append(ProjectedCell(names, nodes, before, previous, channels, reduction, reduction_before))
            before, previous, reduction_before = previous, nodes * channels, reduction
        self.classifier = nn.Linear(previous, classes)
        edges = sum(2 + node for node in range(nodes))
        self.alphas_normal = nn.Parameter(1e-3 * torch.randn(edges, len(names)))
        self.alphas_reduce = nn.Parameter(1e-3 * torch.randn(edges, len(names)))
        self.decided, self.masked, self.given = {"normal": {}, "reduce": {}}, (), None

    def alphas(self):
        return [self.alphas_normal, self.alphas_reduce]

    def named_weights(self):
        return [(name, value) for name, value in self.named_parameters() if not name.startswith("alphas_")]

    def weights(self):
        return [value for _, value in self.named_weights()]

    def mixing(self):
        """The weights that the network sees, by cell type, made anew at every pass."""
        if self.given is not None:
            return self.given
        seen = {}
        for cell, alpha in zip(("normal", "reduce"), self.alphas()):
            rows = functional.softmax(alpha, dim=-1)
            count = alpha.shape[1]
            kept = torch.ones_like(alpha)
            fixed = torch.zeros_like(alpha)
            for row, winner in self.decided[cell].items():
                kept[row] = 0
                if winner is not None:
                    fixed[row, winner] = 1
            for where, row, left_out in self.masked:
                if where == cell:
                    for k in range(count) if left_out is None else [left_out]:
                        kept[row, k] = fixed[row, k] = 0
            seen[cell] = rows * kept + fixed
        return seen

    def forward(self, images):
        seen = self.mixing()
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, seen["reduce" if cell.reduction else "normal"])
        return self.classifier(s1.mean(dim=(2, 3)))

    def loss(self, images, labels):
        with self.autocast():
            return functional.cross_entropy(self(images), labels)


class ScorePass:
    """A batch of a score: s5 in training mode, forward only, without one candidate of one row. `tuned` is channels_last."""

    def __init__(self, form, batch, channels, layers, size=32, execution=Execution(), classes=10):
        torch.manual_seed(0)
        layout = torch.channels_last if form == "tuned" else torch.contiguous_format
        self.execution = execution
        self.model = ProjectedSupernet(S5, channels, layers, classes).to(device=execution.device, memory_format=layout)
        self.model.autocast = execution.autocast
        self.model.masked = [("normal", 0, 0)]
        self.images = torch.randn(batch, 3, size, size).contiguous(memory_format=layout).to(execution.device)
        self.labels = torch.randint(classes, (batch,)).to(execution.device)

    def __call__(self):
        """The loss; the hits are counted as well, as a score has it."""
        self.execution.prepare()
        with torch.no_grad(), self.model.autocast():
            logits = self.model(self.images)
            (logits.argmax(1) == self.labels).sum().item()
            return functional.cross_entropy(logits, self.labels).item()
