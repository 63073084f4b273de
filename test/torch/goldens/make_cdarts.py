"""Makes the goldens of CDARTS beside it: python3 make_cdarts.py [FOLDER]. Values and batches are those of values.py, yardsticks those of make.py.

Tensors have NNI's names behind `S.` or `E.`; those that both networks share are S's. Many are kept as one number a tensor, its
`checksum`: `weight.S.cells.0` has those of the cell's tensors by order of their names. Files of decisions lie in a folder by the
golden's name.
"""

import os
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional

from make import HERE, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, float32_errors

from cdarts_networks import KEYS, RetrainedNetwork, SearchNetwork, share_modules
from cdarts_search import Cycle, Settings, decide, genotype_text, mutation_json
from cdarts_step import DECISION
from tensor_file import write_tensors
from values import CLASSES, batch, draw, given

# 8x8 pixels before the second head are the fewest that it takes.
CHANNELS, LAYERS, SIZE = 2, {"S": 3, "E": 5}, 32
# Steps of an epoch, each with batches of its own: `DRAWING train N` and `DRAWING validation N`, counted through the search.
STEPS = 1
# One where searches come out alike in float32 and after weights were moved by 1e-7; see values.py.
DRAWING = 7
# So close together that decisions change.
ALPHA_SPREAD = 0.25
SETTINGS = Settings(
    epochs=3,
    warmup_epochs=1,
    w_lr=0.01,
    nasnet_lr=0.02,
    w_momentum=0.9,
    w_weight_decay=1e-2,
    grad_clip=2.0,
    alpha_lr=0.04,
    alpha_weight_decay=1e-3,
    regular_coeff=0.002,
    regular_ratio=0.75,
    loss_alpha=2.0,
    loss_T=1.5,
)
# Whether modules are shared, and what differs from the settings above.
SEARCHES = {
    "cdarts_shared_kl": (True, {}),
    "cdarts_shared_fixed_smoothl1": (True, {"fix_head": True, "interactive_type": "smoothl1"}),
    "cdarts_separate_fixed_kl": (False, {"fix_head": True}),
    "cdarts_separate_smoothl1": (False, {"interactive_type": "smoothl1"}),
}
# CDARTS_CIFAR, and a cell with the operations that it lacks.
OTHERS = {
    "normal_n2_p0": 1,
    "normal_n2_p1": 5,
    "normal_n3_p0": 0,
    "normal_n3_p2": 4,
    "normal_n4_p1": 2,
    "normal_n4_p3": 6,
    "normal_n5_p0": 3,
    "normal_n5_p4": 1,
    "reduce_n2_p0": 1,
    "reduce_n2_p1": 5,
    "reduce_n3_p1": 6,
    "reduce_n3_p2": 1,
    "reduce_n4_p0": 4,
    "reduce_n4_p1": 2,
    "reduce_n5_p3": 0,
    "reduce_n5_p4": 5,
}
RETRAINED = {"cdarts_retrained": DECISION, "cdarts_retrained_others": OTHERS}
# Of those whose batches are others: with those a ReLU's element lies so near zero that float32 decides on which side.
DRAWINGS = {"cdarts_retrained_others": 8}
RETRAINED_SIZES = (4, 4)
RETRAINED_STEPS, CLIP, SMOOTHING, AUXILIARY_WEIGHT = 3, 5.0, 0.1, 0.4


def checksum(tensor):
    """A sum with random signs that no element can leave unseen, about as large as one element."""
    values = tensor.detach().double().flatten().numpy()
    signs = numpy.where(draw("signs", values.size) < 0, -1.0, 1.0)
    return (signs * values).sum() / numpy.sqrt(values.size)


def module_of(name):
    parts = name.split(".")
    return ".".join(parts[: 3 if parts[1] in ("cells", "aux_head") else 2])


def checksums(prefix, tensors):
    """By module, in the order of names."""
    modules = {}
    for name, tensor in sorted(tensors):
        if tensor.ndim > 0:
            modules.setdefault(module_of(name), []).append(checksum(tensor))
    return {f"{prefix}.{module}": numpy.array(values) for module, values in modules.items()}


def own(networks, tensors_of):
    """Named tensors of networks by their letters, each once."""
    seen, named = set(), []
    for letter, network in networks.items():
        for name, tensor in tensors_of(network):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                named.append((f"{letter}.{name}", tensor))
    return named


def weights_of(networks):
    return own(networks, lambda network: network.named_parameters())


def buffers_of(networks):
    return own(networks, lambda network: network.named_buffers())


def start(networks, dtype):
    with torch.no_grad():
        for name, parameter in weights_of(networks):
            parameter.copy_(torch.from_numpy(given(name, tuple(parameter.shape))))
    for network in networks.values():
        network.to(dtype)


def drawn(half, index, dtype, drawing=DRAWING):
    return batch(f"{drawing} {half} {index}", SIZE, dtype)


def open_cycle(shared, changes, dtype):
    networks = {letter: SearchNetwork(CHANNELS, layers, CLASSES) for letter, layers in LAYERS.items()}
    if shared:
        share_modules(*networks.values())
    start(networks, dtype)
    rows = {name: torch.from_numpy((ALPHA_SPREAD * draw(name, 8)).astype(numpy.float32)).to(dtype) for name in KEYS}
    alphas = {name: nn.Parameter(row) for name, row in rows.items()}
    return networks, alphas, Cycle(*networks.values(), alphas, SETTINGS._replace(**changes))


def table(rows):
    return numpy.stack([row.detach().numpy() for row in rows])


def first_joint_step(shared, changes, dtype):
    """What a joint step makes of the first values."""
    networks, alphas, cycle = open_cycle(shared, changes, dtype)
    batches = (drawn(name, 0, dtype) for name in ("train", "validation"))
    figures = cycle.joint_step(*batches, decide(alphas), SETTINGS.warmup_epochs)
    results = {f"step.{name}": value.numpy() for name, value in figures.items()}
    results |= {"stepGradient": table(row.grad for row in alphas.values()), "stepAlpha": table(alphas.values())}
    return results | checksums("stepWeight", weights_of(networks)) | checksums("stepBuffer", buffers_of(networks))


def search(shared, changes, dtype):
    """A whole search, and the decision after each of its epochs."""
    networks, alphas, cycle = open_cycle(shared, changes, dtype)
    counts = {"train": 0, "validation": 0}

    def following(name):
        counts[name] += 1
        return drawn(name, counts[name] - 1, dtype)

    figures, history, decisions = {}, [], []

    def note(prefix, values):
        for name, value in values.items():
            figures.setdefault(f"{prefix}.{name}", []).append(value.item())

    for epoch in range(SETTINGS.epochs):
        if epoch < SETTINGS.warmup_epochs:
            for _ in range(STEPS):
                note("warmup", dict(zip(("loss", "gradientNorm"), cycle.search_step(following("train")))))
        else:
            decision = decide(alphas)
            for _ in range(STEPS):
                note("evaluation", dict(zip(("loss", "gradientNorm"), cycle.evaluation_step(following("train"), decision))))
            for _ in range(STEPS):
                note("joint", cycle.joint_step(following("train"), following("validation"), decision, epoch))
        history.append(table(alphas.values()))
        decisions.append(decide(alphas))
    results = {name: numpy.array(values) for name, values in figures.items()}
    results |= {"alpha": numpy.stack(history), "decision": numpy.array([[kept.get(name, -1) for name in KEYS] for kept in decisions])}
    return results | checksums("weight", weights_of(networks)) | checksums("buffer", buffers_of(networks)), decisions


def retrained(decision, dtype, drawing):
    """The logits of both heads of a retrained network with running statistics, then training steps."""
    network = RetrainedNetwork(decision, *RETRAINED_SIZES, CLASSES)
    networks = {"R": network}
    start(networks, dtype)
    sgd = torch.optim.SGD(network.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    network.eval()
    with torch.no_grad():
        auxiliary, logits = network(drawn("train", 0, dtype, drawing)[0], 0.0)
    results = {"testLogits": logits.numpy(), "testAuxiliary": auxiliary.numpy()}
    network.train()
    losses, norms = [], []
    for step in range(RETRAINED_STEPS):
        images, labels = drawn("train", step, dtype, drawing)
        sgd.zero_grad()
        auxiliary, logits = network(images, 0.0)
        entropies = (functional.cross_entropy(outputs, labels, label_smoothing=SMOOTHING) for outputs in (logits, auxiliary))
        loss = next(entropies) + AUXILIARY_WEIGHT * next(entropies)
        loss.backward()
        if step == 0:
            results |= {"logits": logits.detach().numpy(), "auxiliary": auxiliary.detach().numpy()}
            results |= checksums("gradient", [(name, weight.grad) for name, weight in weights_of(networks)])
        losses.append(loss.item())
        norms.append(nn.utils.clip_grad_norm_(network.parameters(), CLIP).item())
        sgd.step()
    results |= {"loss": numpy.array(losses), "gradientNorm": numpy.array(norms)}
    return results | checksums("weight", weights_of(networks)) | checksums("buffer", buffers_of(networks))


def write_decisions(folder, decisions):
    os.makedirs(folder, exist_ok=True)
    for epoch, decision in enumerate(decisions):
        for extension, text in (("json", mutation_json(decision)), ("genotypes", genotype_text(decision))):
            with open(os.path.join(folder, f"epoch_{epoch:02}.{extension}"), "w", newline="") as file:
                file.write(text)


def main(folder):
    # One order of sums.
    torch.set_num_threads(1)
    for name, form in SEARCHES.items():
        (exact, decisions), (single, same) = (search(*form, dtype) for dtype in (torch.float64, torch.float32))
        if decisions != same:
            raise ValueError(f"{name}: float32 decides otherwise than float64")
        exact, single = (first_joint_step(*form, dtype) | results for dtype, results in ((torch.float64, exact), (torch.float32, single)))
        write_tensors(os.path.join(folder, f"{name}.safetensors"), exact | float32_errors(exact, single))
        write_decisions(os.path.join(folder, name), decisions)
    for name, decision in RETRAINED.items():
        drawing = DRAWINGS.get(name, DRAWING)
        exact, single = (retrained(decision, dtype, drawing) for dtype in (torch.float64, torch.float32))
        write_tensors(os.path.join(folder, f"{name}.safetensors"), exact | float32_errors(exact, single))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
