"""What the authors' own code of CDARTS (Yu et al., arXiv:2006.10724) does otherwise than NNI, in PyTorch: the oracle in tests.

Networks that are built anew for each decision are not among it: their values are drawn.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from cdarts_networks import CELLS, KEYS, NODES, OPERATIONS, SearchNetwork, key, share_modules
from cdarts_search import Cycle, Settings, distillation

# Those without weights, on all edges.
REGULARISED = [0, 1, 2]


class Form(NamedTuple):
    """What differs between their searches."""

    share_fc: bool = False
    ensemble_sum: bool = False
    ensemble_param: bool = True
    regular_count: int = 3
    use_beta: bool = False


class AuthorsNetwork(SearchNetwork):
    """A stem three times as wide; outputs may be summed rather than concatenated."""

    def __init__(self, form, *sizes):
        super().__init__(*sizes, stem=3)
        self.is_sum = form.ensemble_sum

    def ensemble(self, outputs):
        weighed = [weight * output for weight, output in zip(self.ensemble_param.softmax(0), outputs)]
        return sum(weighed) if self.is_sum else torch.cat(weighed)


def authors_pair(form, channels, layers, classes):
    """S and E, with one set of ensemble weights."""
    search, evaluation = (AuthorsNetwork(form, channels, count, classes) for count in layers)
    share_modules(search, evaluation)
    evaluation.ensemble_param = search.ensemble_param
    search.ensemble_param.requires_grad_(form.ensemble_param)
    if form.share_fc:
        evaluation.linear = search.linear
    return search, evaluation


def edge_shares(betas):
    """What a node's edges count, by key: the softmax of the node's row."""
    shares = {}
    for cell in CELLS:
        for node in range(NODES):
            row = betas[f"{cell}_n{node + 2}"].softmax(0)
            shares |= {key(cell, node, state): share for state, share in enumerate(row)}
    return shares


def authors_decide(alphas, betas):
    """As NNI's, but that an edge counts by its share too, and that a node's best edge comes first."""
    shares = edge_shares(betas)
    weights = {name: (shares[name] * row.softmax(0)[: len(OPERATIONS)]).detach() for name, row in alphas.items()}
    decision = {}
    for cell in CELLS:
        for node in range(NODES):
            names = [key(cell, node, state) for state in range(2 + node)]
            kept = sorted(names, key=lambda name: -weights[name].max().item())[:2]
            decision |= {name: weights[name].argmax().item() for name in kept}
    return decision


def authors_text(decision):
    """The line that tells a decision, a node's edges in its order."""

    def nodes(cell):
        edges = [(name.split("_"), index) for name, index in decision.items() if name.startswith(cell)]
        return [[(OPERATIONS[index], int(state[1:])) for (_, at, state), index in edges if at == f"n{node + 2}"] for node in range(NODES)]

    concat = f"range(2, {2 + NODES})"
    return f"Genotype(normal={nodes('normal')}, normal_concat={concat}, reduce={nodes('reduce')}, reduce_concat={concat})"


def authors_distance(student, teacher, kind, temperature):
    if kind == "cosine":
        return 1 - functional.cosine_similarity(student, teacher, dim=1, eps=1e-6).mean()
    if kind == "l2":
        return functional.mse_loss(student, teacher)
    return distillation(student, teacher, kind, temperature)


class AuthorsCycle(Cycle):
    """One norm clips all gradients that there are; optimisers begin anew with each decision."""

    distance = staticmethod(authors_distance)

    def __init__(self, search, evaluation, alphas, settings: Settings, form: Form, betas):
        self.form, self.betas = form, betas
        super().__init__(search, evaluation, alphas, settings)
        self.restart()

    def architecture(self):
        return [*self.alphas.values(), *(self.betas.values() if self.form.use_beta else [])]

    def restart(self):
        settings = self.settings
        rule = {"momentum": settings.w_momentum, "weight_decay": settings.w_weight_decay}
        for network, rate in ((self.search, settings.w_lr), (self.evaluation, settings.nasnet_lr)):
            self.optimisers[network] = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], rate, **rule)
        self.adam = torch.optim.Adam(
            self.architecture(), settings.alpha_lr, betas=(0.5, 0.999), weight_decay=settings.alpha_weight_decay
        )

    def parts(self, constant):
        of = (lambda row: row.detach()) if constant else (lambda row: row)
        shares = edge_shares({name: of(row) for name, row in self.betas.items()})
        rows = {name: shares[name] * of(row).softmax(0)[: len(OPERATIONS)] for name, row in self.alphas.items()}
        return {name: list(enumerate(row)) for name, row in rows.items()}

    def mixing(self):
        return self.parts(constant=False)

    def constant_mixing(self):
        return self.parts(constant=True)

    def penalty(self):
        return self.form.regular_count * sum(self.alphas[name][REGULARISED].abs().sum() for name in KEYS)

    def step_weights(self, network):
        norm = nn.utils.clip_grad_norm_(self.everything(), self.settings.grad_clip)
        self.optimisers[network].step()
        return norm

    def everything(self):
        networks = [*self.search.parameters(), *self.evaluation.parameters()]
        return list({id(parameter): parameter for parameter in [*self.architecture(), *networks]}.values())
