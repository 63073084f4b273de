"""The supernets of DARTS (Liu, Simonyan, Yang, arXiv:1806.09055) and FairDARTS (Chu, Zhou, Zhang, Li, arXiv:1911.12126) in PyTorch: the
rival in timings, the oracle in tests.

Parameters bear the names of the published code, so that both sides speak of the same tensor. Tensors are [N, C, H, W].
"""

import contextlib

import torch
from torch import nn
from torch.nn import functional

NODES = 4
EDGES = sum(2 + node for node in range(NODES))


class Zero(nn.Module):
    """The candidate `none`."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0.0


class Chain(nn.Module):
    """Layers one after another, named `op.INDEX`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Halves the image by two strided 1x1 convolutions, the second one pixel further along both axes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, affine=False)

    def forward(self, x):
        x = functional.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


def relu_conv_norm(inputs, outputs):
    return Chain(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, affine=False))


def depthwise_pointwise(channels, kernel, stride, dilation=1, affine=False):
    """ReLU, depthwise, pointwise, norm: half of a separable convolution, the whole of a dilated one."""
    padding = dilation * (kernel - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


def candidates(channels, stride, fair=False):
    """The eight candidate operations of one edge, in the published order; the first, `none`, is not among FairDARTS' seven."""

    def pooled(pool):
        return nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False))

    def separable(kernel):
        return Chain(*depthwise_pointwise(channels, kernel, stride), *depthwise_pointwise(channels, kernel, 1))

    none = [] if fair else [Zero(stride)]
    return none + [
        pooled(nn.MaxPool2d(3, stride, padding=1)),
        pooled(nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)),
        nn.Identity() if stride == 1 else FactorizedReduce(channels, channels),
        separable(3),
        separable(5),
        Chain(*depthwise_pointwise(channels, 3, stride, dilation=2)),
        Chain(*depthwise_pointwise(channels, 5, stride, dilation=2)),
    ]


class MixedOperation(nn.Module):
    """One edge: every candidate of the input, summed with mixing weights [candidates]."""

    def __init__(self, channels, stride, skip_zero, fair):
        super().__init__()
        self._ops = nn.ModuleList(candidates(channels, stride, fair))
        self.active = [not (skip_zero and isinstance(op, Zero)) for op in self._ops]

    def forward(self, x, weights):
        return sum(weight * op(x) for weight, op, active in zip(weights, self._ops, self.active) if active)


class Cell(nn.Module):
    def __init__(self, before, previous, channels, reduction, reduction_before, skip_zero, fair):
        super().__init__()
        self.reduction = reduction
        preprocess = FactorizedReduce if reduction_before else relu_conv_norm
        self.preprocess0 = preprocess(before, channels)
        self.preprocess1 = relu_conv_norm(previous, channels)
        strides = [2 if reduction and state < 2 else 1 for node in range(NODES) for state in range(2 + node)]
        self._ops = nn.ModuleList(MixedOperation(channels, stride, skip_zero, fair) for stride in strides)

    def forward(self, s0, s1, weights):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edges = list(zip(self._ops, weights))
        for _ in range(NODES):
            incoming, edges = edges[: len(states)], edges[len(states) :]
            states.append(sum(op(state, row) for state, (op, row) in zip(states, incoming)))
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """Images [N, inputs, H, W] to logits [N, classes]; `alphas_normal` and `alphas_reduce` are [14, 8].

    `skip_zero` leaves the candidate `none` out of the sum: the same values for less work. `fair` is the supernet of FairDARTS: alphas
    [14, 7] begin at 0, and mixing weights are their sigmoid.
    """

    # Within which the loss is computed.
    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, channels=16, layers=8, classes=10, inputs=3, skip_zero=False, fair=False):
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(inputs, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before, previous, reduction_before = stem, stem, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            self.cells.append(Cell(before, previous, channels, reduction, reduction_before, skip_zero, fair))
            before, previous, reduction_before = previous, NODES * channels, reduction
        self.classifier = nn.Linear(previous, classes)
        self.fair = fair
        count = len(candidates(2, 1, fair))
        deviation = 0.0 if fair else 1e-3
        self.alphas_normal = nn.Parameter(deviation * torch.randn(EDGES, count))
        self.alphas_reduce = nn.Parameter(deviation * torch.randn(EDGES, count))

    def alphas(self):
        return [self.alphas_normal, self.alphas_reduce]

    def named_weights(self):
        return [(name, value) for name, value in self.named_parameters() if not name.startswith("alphas_")]

    def weights(self):
        return [value for _, value in self.named_weights()]

    def mixing(self):
        """The mixing weights of both tables."""
        return [torch.sigmoid(alpha) if self.fair else functional.softmax(alpha, dim=-1) for alpha in self.alphas()]

    def forward(self, images):
        normal, reduce = self.mixing()
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, reduce if cell.reduction else normal)
        return self.classifier(s1.mean(dim=(2, 3)))

    def loss(self, images, labels):
        with self.autocast():
            return functional.cross_entropy(self(images), labels)


def multiply_accumulates(model, images):
    """Multiply-accumulates of the convolutions and the linear layer in one image's forward pass."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return total
