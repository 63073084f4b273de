"""The cycle of CDARTS (Yu et al., arXiv:2006.10724) as NNI runs it, in PyTorch: the rival in timings, the oracle in tests."""

import json
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from cdarts_networks import CELLS, EDGES, KEYS, NODES, OPERATIONS, key


class Settings(NamedTuple):
    """NNI's names; defaults are those of the published script for four GPUs."""

    epochs: int = 32
    warmup_epochs: int = 2
    w_lr: float = 0.2
    nasnet_lr: float = 0.2
    w_momentum: float = 0.9
    w_weight_decay: float = 0.0
    grad_clip: float = 5.0
    alpha_lr: float = 3e-4
    alpha_weight_decay: float = 0.0
    regular_coeff: float = 5.0
    regular_ratio: float = 0.2
    loss_alpha: float = 1.0
    loss_T: float = 2.0
    interactive_type: str = "kl"
    fix_head: bool = False


def draw_alphas():
    """A row of logits an edge: one a candidate, and one of no operation."""
    return {name: nn.Parameter(1e-3 * torch.randn(len(OPERATIONS) + 1)) for name in KEYS}


def mixing(alphas, constant=False):
    """What S runs: every candidate whose weight is not exactly 0."""
    rows = {name: (row.detach() if constant else row).softmax(0)[: len(OPERATIONS)] for name, row in alphas.items()}
    return {name: [(index, weight) for index, weight in enumerate(row) if weight != 0] for name, row in rows.items()}


def decide(alphas):
    """The two edges of every node with the largest weight of a candidate, and those candidates; lower indices on ties."""
    best = {name: max(enumerate(row.detach().softmax(0)[: len(OPERATIONS)].tolist()), key=lambda pair: pair[1]) for name, row in alphas.items()}
    decision = {}
    for cell in CELLS:
        for node in range(NODES):
            names = [key(cell, node, state) for state in range(2 + node)]
            kept = sorted(names, key=lambda name: -best[name][1])[:2]
            decision |= {name: best[name][0] for name in names if name in kept}
    return decision


def chosen(decision):
    """What E runs."""
    return {name: [(index, None)] for name, index in decision.items()}


def mutation_json(decision):
    """NNI's file of a decision."""
    masks = {name: [decision.get(name) == index for index in range(len(OPERATIONS))] for name in KEYS}
    switches = {
        f"{cell}_n{node + 2}_switch": [key(cell, node, state) in decision for state in range(2 + node)]
        for cell in CELLS
        for node in range(NODES)
    }
    return json.dumps(masks | switches, indent=2, sort_keys=True)


def genotype_text(decision):
    """The line that is written beside it."""

    def nodes(cell):
        names = [[(key(cell, node, state), state) for state in range(2 + node)] for node in range(NODES)]
        return [[(OPERATIONS[decision[name]], state) for name, state in node if name in decision] for node in names]

    concat = f"range(2, {2 + NODES})"
    return f"Genotype(normal={nodes('normal')}, normal_concat={concat}, reduce={nodes('reduce')}, reduce_concat={concat})"


def distillation(student, teacher, kind, temperature):
    """D of two ensembles [3N, classes]; both get gradients."""
    if kind == "smoothl1":
        return functional.smooth_l1_loss(student, teacher)
    log_p, log_q = (functional.log_softmax(logits / temperature, dim=1) for logits in (student, teacher))
    return (log_q.exp() * (log_q - log_p)).mean()


def regularised(name):
    """Candidates of an edge whose logits are: a strided skip is no identity."""
    cell, _, state = name.split("_")
    return (0, 1, 5, 6) if cell == "reduce" and state in ("p0", "p1") else (0, 1, 2, 5, 6)


def penalty(alphas):
    """The sum of the sizes of the regularised logits that are not cut."""
    logits = torch.cat([row[list(regularised(name))] for name, row in alphas.items()])
    return logits[logits.abs() < 1e10].abs().sum()


def penalty_factor(settings, epoch):
    span = (settings.epochs - settings.warmup_epochs) * settings.regular_ratio
    return max(settings.regular_coeff * (1 - (epoch - settings.warmup_epochs) / span), 0)


class Cycle:
    """S, E, alpha and their optimisers, which live through the whole search. Steps return what they computed, as tensors."""

    distance = staticmethod(distillation)

    def __init__(self, search, evaluation, alphas, settings, **adam):
        self.search, self.evaluation, self.alphas, self.settings = search, evaluation, alphas, settings
        for network in (search, evaluation):
            network.train()
            if settings.fix_head:
                network.aux_head.requires_grad_(False)
        rule = {"momentum": settings.w_momentum, "weight_decay": settings.w_weight_decay}
        self.optimisers = {
            search: torch.optim.SGD(search.parameters(), settings.w_lr, **rule),
            evaluation: torch.optim.SGD(evaluation.parameters(), settings.nasnet_lr, **rule),
        }
        self.adam = torch.optim.Adam(
            list(alphas.values()), settings.alpha_lr, betas=(0.5, 0.999), weight_decay=settings.alpha_weight_decay, **adam
        )

    def search_step(self, batch):
        """Of S alone, by its classifier; alpha is constant."""
        return self.weight_step(self.search, self.constant_mixing(), batch)

    def evaluation_step(self, batch, decision):
        """The same of E."""
        return self.weight_step(self.evaluation, chosen(decision), batch)

    def joint_step(self, train, validation, decision, epoch):
        """Alpha and E by both networks' losses on one batch, then S on another."""
        self.clear(self.adam)
        self.clear(self.optimisers[self.evaluation])
        figures = self.both(validation, decision, epoch)
        self.differentiate(figures["jointLoss"], [*self.alphas.values(), *self.evaluation.parameters()])
        figures["jointNorm"] = self.step_weights(self.evaluation)
        self.adam.step()
        figures["loss"], figures["gradientNorm"] = self.search_step(train)
        return {name: value.detach() for name, value in figures.items()}

    def both(self, validation, decision, epoch):
        """The architecture loss and its parts."""
        images, labels = validation
        settings = self.settings
        student, teacher = self.search(images, self.mixing()), self.evaluation(images, chosen(decision))
        searched, evaluated = (functional.cross_entropy(outputs[-1], labels) for outputs in (student, teacher))
        ensembles = self.search.ensemble(student), self.evaluation.ensemble(teacher)
        distance = self.distance(*ensembles, settings.interactive_type, settings.loss_T)
        regulariser = penalty_factor(settings, epoch) * self.penalty()
        loss = (searched + evaluated) / settings.loss_alpha + settings.loss_alpha * settings.loss_T**2 * distance + regulariser
        return {
            "searchLoss": searched,
            "evaluationLoss": evaluated,
            "distillation": distance,
            "regulariser": regulariser,
            "jointLoss": loss,
        }

    def mixing(self):
        return mixing(self.alphas)

    def constant_mixing(self):
        return mixing(self.alphas, constant=True)

    def penalty(self):
        return penalty(self.alphas)

    def weight_step(self, network, parts, batch):
        images, labels = batch
        self.clear(self.optimisers[network])
        loss = functional.cross_entropy(network(images, parts)[-1], labels)
        self.differentiate(loss, list(network.parameters()))
        return loss.detach(), self.step_weights(network)

    def step_weights(self, network):
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.settings.grad_clip)
        self.optimisers[network].step()
        return norm

    def clear(self, optimiser):
        """Cleared means zero: what had a gradient goes on taking part, with 0."""
        optimiser.zero_grad(set_to_none=False)

    def differentiate(self, loss, _):
        """Adds to the gradients of all that the loss depends on."""
        loss.backward()
