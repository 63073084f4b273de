"""The supernets of both stages of StacNAS (Li et al., arXiv:1909.11926) in PyTorch, and its step: the rival in timings, the oracle in tests.

Parameters bear the names of DARTS' code, so that both sides speak of the same tensor. Tensors are [N, C, H, W].
"""

import torch
from torch import nn
from torch.nn import functional

from execution import Execution, Recordable
from darts_supernet import NODES, Chain, FactorizedReduce, Supernet, Zero, depthwise_pointwise, relu_conv_norm
from derived_network import AuxiliaryHead

FIRST = ["max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "none"]
MEMBERS = {
    "max_pool_3x3": ["avg_pool_3x3", "max_pool_3x3", "none"],
    "skip_connect": ["skip_connect", "skip_connect", "none"],
    "sep_conv_3x3": ["sep_conv_3x3", "sep_conv_5x5", "none"],
    "dil_conv_3x3": ["dil_conv_3x3", "dil_conv_5x5", "none"],
}
EDGES = [(node, state) for node in range(NODES) for state in range(2 + node)]


def candidate(name, channels, stride):
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if name.startswith("sep_conv"):
        return Chain(*depthwise_pointwise(channels, kernel, stride), *depthwise_pointwise(channels, kernel, 1))
    if name.startswith("dil_conv"):
        return Chain(*depthwise_pointwise(channels, kernel, stride, dilation=2))
    pool = nn.MaxPool2d(3, stride, padding=1) if name == "max_pool_3x3" else nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    return nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False))


class MixedEdge(nn.Module):
    def __init__(self, names, channels, stride, skip_zero):
        super().__init__()
        self._ops = nn.ModuleList(candidate(name, channels, stride) for name in names)
        self.active = [not (skip_zero and name == "none") for name in names]

    def forward(self, x, weights):
        return sum(weight * op(x) for weight, op, active in zip(weights, self._ops, self.active) if active)


class StageCell(nn.Module):
    def __init__(self, edges, before, previous, channels, reduction, reduction_before, skip_zero):
        super().__init__()
        self.reduction = reduction
        self.preprocess0 = FactorizedReduce(before, channels) if reduction_before else relu_conv_norm(before, channels)
        self.preprocess1 = relu_conv_norm(previous, channels)
        strides = [2 if reduction and state < 2 else 1 for _, state in EDGES]
        self._ops = nn.ModuleList(MixedEdge(names, channels, stride, skip_zero) for names, stride in zip(edges, strides))

    def forward(self, s0, s1, weights):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        sums = [0] * NODES
        for (node, state), op, row in zip(EDGES, self._ops, weights):
            # Edges lie by node, so that every state is there when it is read.
            sums[node] = sums[node] + op(states[state], row)
            if state == node + 1:
                states.append(sums[node])
        return torch.cat(states[2:], dim=1)


class StageSupernet(nn.Module):
    """Images [N, inputs, H, W] to logits [N, classes]; `edges`: names of the candidates of every edge, by cell type."""

    def __init__(self, edges, channels=16, layers=14, classes=10, inputs=3, skip_zero=False, aux_weight=0.0, size=32):
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(inputs, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before, previous, reduction_before = stem, stem, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            own = edges["reduce" if reduction else "normal"]
            self.cells.append(StageCell(own, before, previous, channels, reduction, reduction_before, skip_zero))
            before, previous, reduction_before = previous, NODES * channels, reduction
            if aux_weight > 0 and layer == 2 * layers // 3:
                self.auxiliary_head = AuxiliaryHead(previous, classes, stride=size // 4 - 5)
        self.aux_weight, self.aux_layer = aux_weight, 2 * layers // 3
        self.classifier = nn.Linear(previous, classes)
        for name in ("normal", "reduce"):
            self.register_parameter(f"alphas_{name}", nn.Parameter(1e-3 * torch.randn(len(EDGES), len(edges[name][0]))))

    autocast = Supernet.autocast
    alphas, named_weights, weights = Supernet.alphas, Supernet.named_weights, Supernet.weights

    def logits(self, images):
        """Of both heads; None where there is no auxiliary one."""
        normal, reduce = (functional.softmax(alpha, dim=-1) for alpha in self.alphas())
        s0 = s1 = self.stem(images)
        auxiliary = None
        for layer, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, reduce if cell.reduction else normal)
            if self.aux_weight > 0 and layer == self.aux_layer:
                auxiliary = self.auxiliary_head(s1)
        return self.classifier(s1.mean(dim=(2, 3))), auxiliary

    def forward(self, images):
        return self.logits(images)[0]

    def loss(self, images, labels):
        with self.autocast():
            logits, auxiliary = self.logits(images)
            loss = functional.cross_entropy(logits, labels)
            return loss if auxiliary is None else loss + self.aux_weight * functional.cross_entropy(auxiliary, labels)


# As a first stage may find them: every group in turn.
WINNERS = {cell: [FIRST[(row + first) % 4] for row in range(len(EDGES))] for first, cell in enumerate(("normal", "reduce"))}
STAGES = {
    "search1": {cell: [FIRST] * len(EDGES) for cell in WINNERS},
    "search2": {cell: [MEMBERS[name] for name in names] for cell, names in WINNERS.items()},
}


def one_level_step(model, sgd, adam, batch, clip):
    """Weights and alpha by the gradients of one pass; those of the weights alone are clipped. Gives the loss and their norm, as tensors."""
    sgd.zero_grad()
    adam.zero_grad()
    loss = model.loss(*batch)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.weights(), clip)
    adam.step()
    sgd.step()
    return loss.detach(), norm


class StageStep(Recordable):
    """A step of a stage as its published commands take it: a supernet, its optimisers and a random batch.

    `tuned` is channels_last and leaves the candidate `none`, which adds nothing, out.
    """

    def __init__(self, form, stage, batch, channels, layers, size=32, execution=Execution(), classes=10):
        torch.manual_seed(0)
        tuned = form == "tuned"
        self.execution = execution
        layout = torch.channels_last if tuned else torch.contiguous_format
        model = StageSupernet(STAGES[stage], channels, layers, classes, skip_zero=tuned, size=size)
        self.model = model.to(device=execution.device, memory_format=layout)
        self.model.autocast = execution.autocast
        images = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
        self.batch = images.to(execution.device), torch.randint(classes, (batch,)).to(execution.device)
        execution.compile(self.model.cells)
        capturable = {"capturable": True} if execution.graphed else {}
        self.sgd = torch.optim.SGD(self.model.weights(), 0.025, 0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam(self.model.alphas(), 3e-4, (0.5, 0.999), weight_decay=1e-3, **capturable)

    def step(self):
        return one_level_step(self.model, self.sgd, self.adam, self.batch, 3.0)[0]
