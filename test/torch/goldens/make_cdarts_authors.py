"""Makes the goldens of CDARTS as its authors have it: python3 make_cdarts_authors.py [FOLDER]. What is not said here is as in make_cdarts.py.

Nodes that learn how much their edges count begin with other weights than all alike.
"""

import os
import sys

import numpy
import torch
from torch import nn

from make import HERE, float32_errors

from cdarts_authors import AuthorsCycle, Form, authors_decide, authors_pair, authors_text
from cdarts_nasbench201 import CELL_KEYS, SPACE, PairedCycle, decide_cell, paired_networks, structure_text
from cdarts_networks import CELLS, KEYS, NODES
from cdarts_search import mutation_json
from make_cdarts import ALPHA_SPREAD, CHANNELS, DRAWING, LAYERS, SETTINGS, buffers_of, checksums, drawn, start, table, weights_of
from tensor_file import write_tensors
from values import CLASSES, draw

# What differs from the settings there, and the form.
SEARCHES = {
    "cdarts_authors": ({"interactive_type": "smoothl1", "fix_head": True}, Form()),
    "cdarts_authors_learnt": ({"interactive_type": "cosine"}, Form(share_fc=True, ensemble_sum=True, use_beta=True)),
    "cdarts_authors_constant": ({"interactive_type": "l2"}, Form(ensemble_param=False, regular_count=1)),
    "cdarts_nasbench201": ({"interactive_type": "smoothl1"}, None),
}
# Of searches whose batches cannot be `DRAWING`: with it a ReLU's element lies so near zero that float32 decides on which side.
DRAWINGS = {"cdarts_authors": 6}
# Cells a stage of S and of E in the space of NAS-Bench-201.
DEPTHS = (1, 2)


def parameter(name, count, spread, dtype):
    return nn.Parameter(torch.from_numpy((spread * draw(name, count)).astype(numpy.float32)).to(dtype))


def open_cells(changes, dtype):
    """Of cells of NAS-Bench-201."""
    pair = paired_networks(CHANNELS, DEPTHS, CLASSES)
    networks = dict(zip(LAYERS, pair))
    start(networks, dtype)
    alphas = {name: parameter(name, len(SPACE), ALPHA_SPREAD, dtype) for name in CELL_KEYS}
    return networks, alphas, {}, PairedCycle(*pair, alphas, SETTINGS._replace(**changes), Form(), {})


def open_cycle(changes, form, dtype):
    if form is None:
        return open_cells(changes, dtype)
    pair = authors_pair(form, CHANNELS, LAYERS.values(), CLASSES)
    networks = dict(zip(LAYERS, pair))
    start(networks, dtype)
    alphas = {name: parameter(name, 8, ALPHA_SPREAD, dtype) for name in KEYS}
    names = {f"{cell}_n{node + 2}": 2 + node for cell in CELLS for node in range(NODES)}
    betas = {name: parameter(name, count, ALPHA_SPREAD if form.use_beta else 0, dtype) for name, count in names.items()}
    return networks, alphas, betas, AuthorsCycle(*pair, alphas, SETTINGS._replace(**changes), form, betas)


def decide(alphas, betas):
    return decide_cell(alphas) if set(alphas) == set(CELL_KEYS) else authors_decide(alphas, betas)


def line(rows):
    return numpy.concatenate([row.detach().numpy() for row in rows])


def first_joint_step(drawing, changes, form, dtype):
    """What a joint step makes of the first values."""
    networks, alphas, betas, cycle = open_cycle(changes, form, dtype)
    batches = (drawn(name, 0, dtype, drawing) for name in ("train", "validation"))
    figures = cycle.joint_step(*batches, decide(alphas, betas), SETTINGS.warmup_epochs)
    results = {f"step.{name}": value.numpy() for name, value in figures.items()}
    results |= {"stepGradient": table(row.grad for row in alphas.values()), "stepAlpha": table(alphas.values())}
    if cycle.form.use_beta:
        results |= {"stepBeta": line(betas.values())}
    return results | checksums("stepWeight", weights_of(networks)) | checksums("stepBuffer", buffers_of(networks))


def search(drawing, changes, form, dtype):
    """A whole search, one step of each kind an epoch, and the decision after each of its epochs."""
    networks, alphas, betas, cycle = open_cycle(changes, form, dtype)
    counts = {"train": 0, "validation": 0}

    def following(name):
        counts[name] += 1
        return drawn(name, counts[name] - 1, dtype, drawing)

    figures, history, shares, decisions = {}, [], [], []

    def note(prefix, values):
        for name, value in values.items():
            figures.setdefault(f"{prefix}.{name}", []).append(value.item())

    for epoch in range(SETTINGS.epochs):
        if epoch < SETTINGS.warmup_epochs:
            note("warmup", dict(zip(("loss", "gradientNorm"), cycle.search_step(following("train")))))
        else:
            decision = decide(alphas, betas)
            cycle.restart()
            note("evaluation", dict(zip(("loss", "gradientNorm"), cycle.evaluation_step(following("validation"), decision))))
            note("joint", cycle.joint_step(following("train"), following("validation"), decision, epoch))
        history.append(table(alphas.values()))
        shares.append(line(betas.values()) if betas else None)
        decisions.append(decide(alphas, betas))
    results = {name: numpy.array(values) for name, values in figures.items()}
    results |= {"alpha": numpy.stack(history), "decision": numpy.array([[kept.get(name, -1) for name in alphas] for kept in decisions])}
    if cycle.form.use_beta:
        results |= {"beta": numpy.stack(shares)}
    return results | checksums("weight", weights_of(networks)) | checksums("buffer", buffers_of(networks)), decisions


def texts_of(decision):
    if set(decision) == set(CELL_KEYS):
        return {"genotypes": structure_text(decision)}
    return {"json": mutation_json(decision), "genotypes": authors_text(decision)}


def write_decisions(folder, decisions):
    os.makedirs(folder, exist_ok=True)
    for epoch, decision in enumerate(decisions):
        for extension, text in texts_of(decision).items():
            with open(os.path.join(folder, f"epoch_{epoch:02}.{extension}"), "w", newline="") as file:
                file.write(text)


def main(folder):
    torch.set_num_threads(1)
    for name, form in SEARCHES.items():
        form = (DRAWINGS.get(name, DRAWING), *form)
        (exact, decisions), (single, same) = (search(*form, dtype) for dtype in (torch.float64, torch.float32))
        if [list(kept.items()) for kept in decisions] != [list(kept.items()) for kept in same]:
            raise ValueError(f"{name}: float32 decides otherwise than float64")
        exact, single = (first_joint_step(*form, dtype) | results for dtype, results in ((torch.float64, exact), (torch.float32, single)))
        write_tensors(os.path.join(folder, f"{name}.safetensors"), exact | float32_errors(exact, single))
        write_decisions(os.path.join(folder, name), decisions)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
