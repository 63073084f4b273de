"""Derived networks (Liu, Simonyan, Yang, arXiv:1806.09055, section 3.2) in PyTorch: the rival in timings, the oracle in tests.

Parameters bear the names of the published code. Tensors are [N, C, H, W]. A genotype is what our JSON form holds.
"""

import torch
from torch import nn
from torch.nn import functional

from darts_supernet import Chain, FactorizedReduce, depthwise_pointwise


def norm(channels):
    return nn.BatchNorm2d(channels)


class AffineReduce(FactorizedReduce):
    """As in the supernet, with an affine norm."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.bn = norm(outputs)


def relu_conv_norm(inputs, outputs):
    return Chain(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs))


def operation(name, channels, stride, pool_norm=False):
    """An operation of a derived cell by the name that genotypes give it; `pool_norm`: a norm follows a pooling, as in StacNAS."""

    def separable(kernel):
        first = depthwise_pointwise(channels, kernel, stride, affine=True)
        return Chain(*first, *depthwise_pointwise(channels, kernel, 1, affine=True))

    def dilated(kernel):
        return Chain(*depthwise_pointwise(channels, kernel, stride, dilation=2, affine=True))

    if name == "skip_connect":
        return nn.Identity() if stride == 1 else AffineReduce(channels, channels)
    if name in ("max_pool_3x3", "avg_pool_3x3"):
        average = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        pool = nn.MaxPool2d(3, stride, padding=1) if name == "max_pool_3x3" else average
        return nn.Sequential(pool, norm(channels)) if pool_norm else pool
    if name == "conv_7x1_1x7":
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
            norm(channels),
        )
    kind, kernel = name[:3], int(name[-1])
    return {"sep": separable, "dil": dilated}[kind](kernel)


class Cell(nn.Module):
    def __init__(self, cell, before, previous, channels, reduction, reduction_before, pool_norm):
        super().__init__()
        self.preprocess0 = (AffineReduce if reduction_before else relu_conv_norm)(before, channels)
        self.preprocess1 = relu_conv_norm(previous, channels)
        self.nodes = [[(edge["input"], edge.get("weight")) for edge in edges] for edges in cell["nodes"]]
        self.concat = cell["concat"]
        edges = [edge for node in cell["nodes"] for edge in node]
        strides = [2 if reduction and edge["input"] < 2 else 1 for edge in edges]
        self._ops = nn.ModuleList(
            operation(edge["operation"], channels, stride, pool_norm) for edge, stride in zip(edges, strides)
        )

    def forward(self, s0, s1):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        ops = iter(self._ops)
        for inputs in self.nodes:
            outputs = [(next(ops)(states[state]), weight) for state, weight in inputs]
            states.append(sum(output if weight is None else weight * output for output, weight in outputs))
        return torch.cat([states[state] for state in self.concat], dim=1)


class TripleCell(nn.Module):
    """A cell of triples (operation, to, from) of FairDARTS (Chu, Zhou, Zhang, Li, arXiv:1911.12126).

    Nodes are computed in the order in which triples first name them; a source that nothing has computed by then is passed over.
    """

    def __init__(self, triples, before, previous, channels, reduction, reduction_before):
        super().__init__()
        self.preprocess0 = (AffineReduce if reduction_before else relu_conv_norm)(before, channels)
        self.preprocess1 = relu_conv_norm(previous, channels)
        self._ops = nn.ModuleDict()
        for name, to, source in triples:
            if str(to) not in self._ops:
                self._ops[str(to)] = nn.ModuleDict()
            edges = self._ops[str(to)]
            if str(source) not in edges:
                edges[str(source)] = nn.ModuleList()
            edges[str(source)].append(operation(name, channels, 2 if reduction and source < 2 else 1))

    def forward(self, s0, s1):
        states = {"0": self.preprocess0(s0), "1": self.preprocess1(s1)}
        for to, edges in self._ops.items():
            sums = [sum(op(states[source]) for op in ops) for source, ops in edges.items() if source in states]
            states[to] = sum(sums)
        return torch.cat([states[to] for to in self._ops], dim=1)


def triples_of(cell):
    """The triples of a cell of our JSON form, those of the node that comes first before others'."""
    return [(edge["operation"], to, edge["input"]) for to in cell["concat"] for edge in cell["nodes"][to - 2]]


class AuxiliaryHead(nn.Module):
    """Of images of 7 or 8 pixels a side."""

    def __init__(self, channels, classes, stride):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride, padding=0, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            norm(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            norm(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class DerivedNetwork(nn.Module):
    """Images [N, inputs, H, W] to logits and, where there is an auxiliary head, its logits."""

    def __init__(self, genotype, channels=36, layers=20, classes=10, inputs=3, auxiliary=False, size=32, pool_norm=False):
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(inputs, stem, 3, padding=1, bias=False), norm(stem))
        self.cells = nn.ModuleList()
        before, previous, reduction_before = stem, stem, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            cell = genotype["reduce" if reduction else "normal"]
            if genotype.get("entries") == "triples":
                triples = cell if isinstance(cell, list) else triples_of(cell)
                made = TripleCell(triples, before, previous, channels, reduction, reduction_before)
                width = len(made._ops)
            else:
                made = Cell(cell, before, previous, channels, reduction, reduction_before, pool_norm)
                width = len(cell["concat"])
            self.cells.append(made)
            before, previous, reduction_before = previous, width * channels, reduction
            if auxiliary and layer == 2 * layers // 3:
                self.auxiliary_head = AuxiliaryHead(previous, classes, min(3, size // 4 - 5))
        self.auxiliary_layer = 2 * layers // 3 if auxiliary else None
        self.classifier = nn.Linear(previous, classes)

    def forward(self, images):
        s0 = s1 = self.stem(images)
        auxiliary = None
        for layer, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1)
            if layer == self.auxiliary_layer and self.training:
                auxiliary = self.auxiliary_head(s1)
        return self.classifier(s1.mean(dim=(2, 3))), auxiliary

    def loss(self, images, labels, smoothing=0.0, weight=0.4):
        logits, auxiliary = self(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if auxiliary is not None:
            loss = loss + weight * functional.cross_entropy(auxiliary, labels, label_smoothing=smoothing)
        return loss
