"""The networks of NAS-Bench-201 (Dong and Yang, arXiv:2001.00326) in PyTorch, supernet and trained cell: the rival in timings, the
oracle in tests.

Parameters bear the names of the published code, so that both sides speak of the same tensor. Tensors are [N, C, H, W].
"""

import contextlib

import torch
from torch import nn
from torch.nn import functional

from darts_supernet import Chain, Zero, depthwise_pointwise

SPACE = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def relu_conv_norm(inputs, outputs, kernel, stride=1, affine=True):
    padding = (kernel - 1) // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return Chain(nn.ReLU(), conv, nn.BatchNorm2d(outputs, affine=affine))


class DualSeparable(nn.Module):
    def __init__(self, channels, kernel, affine):
        super().__init__()
        self.op_a = Chain(*depthwise_pointwise(channels, kernel, 1, affine=affine))
        self.op_b = Chain(*depthwise_pointwise(channels, kernel, 1, affine=affine))

    def forward(self, x):
        return self.op_b(self.op_a(x))


def operation(name, channels, affine):
    """An operation of stride 1 that keeps the channels, as cells have them."""
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name == "none":
        return Zero(1)
    if name == "skip_connect":
        return nn.Identity()
    if name.startswith("nor_conv"):
        return relu_conv_norm(channels, channels, kernel, affine=affine)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, 1, padding=1)
    if name.startswith("dua_sepc"):
        return DualSeparable(channels, kernel, affine)
    return Chain(*depthwise_pointwise(channels, kernel, 1, dilation=2, affine=affine))


class SearchCell(nn.Module):
    """Every edge is the sum of all candidates, each with its weight; every one runs, but with `skip_zero` for `none`, which adds nothing."""

    def __init__(self, channels, skip_zero=False):
        super().__init__()
        self.active = [not (skip_zero and name == "none") for name in SPACE]
        self.keys = [f"{node}<-{state}" for node in range(1, 4) for state in range(node)]
        self.edges = nn.ModuleDict({key: nn.ModuleList(operation(name, channels, False) for name in SPACE) for key in self.keys})

    def forward(self, x, weights):
        states = [x]
        for node in range(1, 4):
            terms = []
            for state in range(node):
                key = f"{node}<-{state}"
                row = weights[self.keys.index(key)]
                parts = zip(row, self.edges[key], self.active)
                terms.append(sum(weight * op(states[state]) for weight, op, active in parts if active))
            states.append(sum(terms))
        return states[-1]


class TrainedCell(nn.Module):
    """`genotype` has a list a node of (operation, state)."""

    def __init__(self, genotype, channels):
        super().__init__()
        self.genotype = genotype
        self.layers = nn.ModuleList(operation(name, channels, True) for entries in genotype for name, _ in entries)

    def forward(self, x, _):
        states, layers = [x], iter(self.layers)
        for entries in self.genotype:
            states.append(sum(next(layers)(states[state]) for _, state in entries))
        return states[-1]


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a = relu_conv_norm(inputs, outputs, 3, 2)
        self.conv_b = relu_conv_norm(outputs, outputs, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x, _):
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class Network(nn.Module):
    """Images [N, 3, H, W] to logits [N, classes]: `depth` cells in each of three stages; a supernet without a genotype."""

    # Within which the loss is computed.
    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, channels, depth, classes, genotype=None, skip_zero=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            if stage > 0:
                self.cells.append(ResidualBlock(channels, 2 * channels))
                channels *= 2
            for _ in range(depth):
                self.cells.append(SearchCell(channels, skip_zero) if genotype is None else TrainedCell(genotype, channels))
        self.lastact = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, classes)
        if genotype is None:
            self.alphas_cell = nn.Parameter(1e-3 * torch.randn(6, len(SPACE)))

    def alphas(self):
        return [self.alphas_cell]

    def weights(self):
        return [value for name, value in self.named_parameters() if name != "alphas_cell"]

    def loss(self, images, labels):
        with self.autocast():
            return functional.cross_entropy(self(images), labels)

    def forward(self, x):
        weights = self.alphas_cell.softmax(-1) if hasattr(self, "alphas_cell") else None
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x, weights)
        return self.classifier(self.lastact(x).mean((2, 3)))


def parse(text):
    """A structure string's entries, node by node."""
    entries = [[piece.split("~") for piece in node.split("|") if piece] for node in text.split("+")]
    return [[(name, int(state)) for name, state in node] for node in entries]
