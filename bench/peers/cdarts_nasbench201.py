"""CDARTS (Yu et al., arXiv:2006.10724) in the space of NAS-Bench-201, as its authors have it, in PyTorch: the oracle in tests.

Parameters bear the names of that benchmark's code and, of distillation heads, of NNI. A decision has the index of every edge's operation,
none among them.
"""

import torch
from torch import nn

from cdarts_authors import AuthorsCycle
from cdarts_networks import Head
from nasbench201_network import SPACE, ResidualBlock, operation

EDGES = [(node, state) for node in range(1, 4) for state in range(node)]
CELL_KEYS = [f"{node}<-{state}" for node, state in EDGES]


class PairedCell(nn.Module):
    """All candidates of all edges. `parts` has, by edge, what is summed there: pairs of a candidate's index and its weight, None for 1."""

    def __init__(self, channels, affine):
        super().__init__()
        self.edges = nn.ModuleDict({key: nn.ModuleList(operation(name, channels, affine) for name in SPACE) for key in CELL_KEYS})

    def forward(self, x, parts):
        states = [x]
        for node in range(1, 4):
            terms = []
            for state in range(node):
                key = f"{node}<-{state}"
                for index, weight in parts[key]:
                    output = self.edges[key][index](states[state])
                    terms.append(output if weight is None else weight * output)
            states.append(sum(terms))
        return states[-1]


class PairedNetwork(nn.Module):
    """S or, with an affine part in its cells, E: `depth` cells in each of three stages, a head behind each block between them."""

    def __init__(self, channels, depth, classes, affine):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells, self.aux_head = nn.ModuleList(), nn.ModuleDict()
        for stage in range(3):
            if stage > 0:
                self.aux_head[str(len(self.cells))] = Head(2 * channels, classes, 6, 2, affine=False)
                self.cells.append(ResidualBlock(channels, 2 * channels))
                channels *= 2
            self.cells.extend(PairedCell(channels, affine) for _ in range(depth))
        self.lastact = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, classes)
        self.ensemble_param = nn.Parameter(0.333 * torch.rand(3))

    def forward(self, images, parts):
        x = self.stem(images)
        outputs = []
        for index, cell in enumerate(self.cells):
            x = cell(x, parts)
            if str(index) in self.aux_head:
                outputs.append(self.aux_head[str(index)](x))
        return [*outputs, self.classifier(self.lastact(x).mean((2, 3)))]

    def ensemble(self, outputs):
        return torch.cat([weight * output for weight, output in zip(self.ensemble_param.softmax(0), outputs)])


def paired_networks(channels, depths, classes):
    """S and E, which share stem, heads and ensemble weights."""
    search, evaluation = (PairedNetwork(channels, depth, classes, affine) for depth, affine in zip(depths, (False, True)))
    evaluation.stem, evaluation.ensemble_param = search.stem, search.ensemble_param
    for mine, theirs in zip(evaluation.aux_head, search.aux_head):
        evaluation.aux_head[mine] = search.aux_head[theirs]
    return search, evaluation


def decide_cell(alphas):
    """The candidate of the largest logit of every edge."""
    return {name: row.argmax().item() for name, row in alphas.items()}


def structure_text(decision):
    nodes = [[f"{SPACE[decision[f'{node}<-{state}']]}~{state}" for state in range(node)] for node in range(1, 4)]
    return "+".join(f"|{'|'.join(entries)}|" for entries in nodes)


class PairedCycle(AuthorsCycle):
    """Nodes sum their edges; the mean size of alpha of none is regularised."""

    def parts(self, constant):
        rows = {name: (row.detach() if constant else row).softmax(0) for name, row in self.alphas.items()}
        return {name: list(enumerate(row)) for name, row in rows.items()}

    def penalty(self):
        return torch.stack([row[SPACE.index("none")].abs() for row in self.alphas.values()]).mean()
