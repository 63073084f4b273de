"""The networks of CDARTS (Yu et al., arXiv:2006.10724) as NNI has them, in PyTorch: the rival in timings, the oracle in tests.

Search network S and evaluation network E are one class; the retrained network has the decided operations alone. Parameters bear NNI's
names. Tensors are [N, C, H, W]. A decision has, by the key of every kept edge, the index of its operation.
"""

import contextlib

import torch
from torch import nn

NODES = 4
OPERATIONS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
CELLS = ("normal", "reduce")
EDGES = [(node, state) for node in range(NODES) for state in range(2 + node)]


def key(cell, node, state):
    return f"{cell}_n{node + 2}_p{state}"


# In the order in which S, whose first cell is a normal one, has them first.
KEYS = [key(cell, *edge) for cell in CELLS for edge in EDGES]


class Chain(nn.Module):
    """Layers one after another, named `net.INDEX`."""

    def __init__(self, *layers):
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)


class FactorizedReduce(nn.Module):
    """Halves the image by two strided 1x1 convolutions, the second one pixel further along both axes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.conv2 = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, affine=False)

    def forward(self, x):
        x = self.relu(x)
        return self.bn(torch.cat([self.conv1(x), self.conv2(x[:, :, 1:, 1:])], dim=1))


def relu_conv_norm(inputs, outputs):
    return Chain(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, affine=False))


def depthwise_pointwise(channels, kernel, stride, dilation=1):
    """ReLU, depthwise, pointwise, norm: half of a separable convolution, the whole of a dilated one."""
    padding = dilation * (kernel - 1) // 2
    return Chain(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=False),
    )


def operation(index, channels, stride):
    name = OPERATIONS[index]
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if name.startswith("sep_conv"):
        return Chain(depthwise_pointwise(channels, kernel, stride), depthwise_pointwise(channels, kernel, 1))
    return depthwise_pointwise(channels, kernel, stride, dilation=2)


class SearchNode(nn.Module):
    """A node with all candidates of its edges. `parts` has, by the key of every edge that runs, what is summed there: pairs of a candidate's
    index and its weight, None for 1."""

    def __init__(self, cell, node, channels):
        super().__init__()
        self.keys = [key(cell, node, state) for state in range(2 + node)]
        strides = [2 if cell == "reduce" and state < 2 else 1 for state in range(2 + node)]
        self.ops = nn.ModuleList(
            nn.ModuleList(operation(index, channels, stride) for index in range(len(OPERATIONS))) for stride in strides
        )

    def forward(self, states, parts):
        edges = [(candidates, state, parts[name]) for name, candidates, state in zip(self.keys, self.ops, states) if name in parts]
        return sum(
            sum(candidates[index](state) if weight is None else weight * candidates[index](state) for index, weight in pairs)
            for candidates, state, pairs in edges
        )


class RetrainedNode(nn.Module):
    """A node with the decided operations. `drop` is the probability that a sample loses an edge, whatever its operation."""

    def __init__(self, decision, cell, node, channels):
        super().__init__()
        kept = {state: decision[key(cell, node, state)] for state in range(2 + node) if key(cell, node, state) in decision}
        self.ops = nn.ModuleDict(
            (str(state), operation(index, channels, 2 if cell == "reduce" and state < 2 else 1)) for state, index in kept.items()
        )

    def forward(self, states, drop):
        return sum(self.dropped(op(states[int(state)]), drop) for state, op in self.ops.items())

    def dropped(self, x, drop):
        if not self.training or drop == 0:
            return x
        return x * torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1 - drop) / (1 - drop)


class Cell(nn.Module):
    def __init__(self, node, cell, before, previous, channels, reduction_before):
        super().__init__()
        self.preproc0 = FactorizedReduce(before, channels) if reduction_before else relu_conv_norm(before, channels)
        self.preproc1 = relu_conv_norm(previous, channels)
        self.mutable_ops = nn.ModuleList(node(cell, index, channels) for index in range(NODES))

    def forward(self, s0, s1, given):
        states = [self.preproc0(s0), self.preproc1(s1)]
        for node in self.mutable_ops:
            states.append(node(states, given))
        return torch.cat(states[2:], dim=1)


class Head(nn.Module):
    """Channels [N, C, H, W] to logits; `pool` and `stride` are those of the average pooling."""

    def __init__(self, channels, classes, pool, stride, affine):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(pool, stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128, affine=affine),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768, affine=affine),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))


class Network(nn.Module):
    """Images to the logits of all heads and, last, of the classifier. `node` makes a cell's nodes, `heads` the heads by their cell's place
    among the two reductions; `stem` is its channels divided by those of the first cell. Both networks of a search give what `forward` is given
    to their nodes."""

    # Within which the outputs are computed.
    autocast = staticmethod(contextlib.nullcontext)

    def __init__(self, node, heads, channels, layers, classes, stem=1):
        super().__init__()
        reductions = (layers // 3, 2 * layers // 3)
        self.aux_head = nn.ModuleDict(
            (str(reductions[place]), head(NODES * channels * 2 ** (place + 1))) for place, head in heads.items()
        )
        wide = channels * stem
        self.stem = nn.Sequential(nn.Conv2d(3, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide))
        self.cells = nn.ModuleList()
        before, previous, reduction_before = wide, wide, False
        for layer in range(layers):
            reduction = layer in reductions
            channels *= 2 if reduction else 1
            self.cells.append(Cell(node, CELLS[reduction], before, previous, channels, reduction_before))
            before, previous, reduction_before = previous, NODES * channels, reduction
        self.linear = nn.Linear(previous, classes)

    def forward(self, images, given):
        with self.autocast():
            s0 = s1 = self.stem(images)
            outputs = []
            for layer, cell in enumerate(self.cells):
                s0, s1 = s1, cell(s0, s1, given)
                if str(layer) in self.aux_head:
                    outputs.append(self.aux_head[str(layer)](s1))
            return [*outputs, self.linear(s1.mean(dim=(2, 3)))]


class SearchNetwork(Network):
    """S or E; its heads average over `pools` x `pools` pixels."""

    def __init__(self, channels=16, layers=8, classes=10, pools=(6, 6), stem=1):
        heads = {
            place: lambda inputs, pool=pool: Head(inputs, classes, pool, 2, affine=False) for place, pool in enumerate(pools)
        }
        super().__init__(SearchNode, heads, channels, layers, classes, stem)
        self.ensemble_param = nn.Parameter(torch.rand(3) / 3)

    def ensemble(self, outputs):
        """[3N, classes]"""
        return torch.cat([weight * output for weight, output in zip(self.ensemble_param.softmax(0), outputs)])


def share_modules(search, evaluation):
    """Gives E the stem and the heads of S, the very same tensors."""
    evaluation.stem = search.stem
    for mine, theirs in zip(evaluation.aux_head, search.aux_head):
        evaluation.aux_head[mine] = search.aux_head[theirs]


class RetrainedNetwork(Network):
    """Its auxiliary head, where it has one, stands behind the second reduction and runs in test mode too."""

    def __init__(self, decision, channels=36, layers=20, classes=10, auxiliary=True):
        heads = {1: lambda inputs: Head(inputs, classes, 5, 3, affine=True)} if auxiliary else {}
        super().__init__(lambda *where: RetrainedNode(decision, *where), heads, channels, layers, classes)
