"""Makes the goldens beside it from the PyTorch models of bench/peers: python3 make.py [FOLDER]. test/torch/goldens.ts reads them.

Everything is computed in float64. What the networks start from is no part of a golden: `draw` of values.py gives it by name, here and
there. A tensor of more than 16 elements is kept as its `digest`. `float32.GROUP` says how far PyTorch's own float32 is from a group's
tensors where it is furthest: the yardstick of tolerances.
"""

import os
import sys

import numpy
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../bench/peers"))
sys.dont_write_bytecode = True

import projection  # noqa: E402
from darts_supernet import Supernet  # noqa: E402
from derived_network import DerivedNetwork  # noqa: E402
from fairdarts_step import zero_one  # noqa: E402
from nasbench201_network import Network, parse  # noqa: E402
from search_step import hypergradient  # noqa: E402
from stacnas_supernet import STAGES, StageSupernet, one_level_step  # noqa: E402
from tensor_file import write_tensors  # noqa: E402
from values import CLASSES, alphas_of, batch, draw, named, start  # noqa: E402
from weight_step import DARTS_V2  # noqa: E402

STEPS = 5
SEARCH = {"channels": 2, "layers": 3, "size": 8}
DERIVED = {"channels": 4, "layers": 4, "size": 32}
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.025, 0.9, 3e-4, 5.0
# Of the alphas: far larger than published, so that five steps move them visibly.
ARCH_LEARNING_RATE, ARCH_WEIGHT_DECAY = 0.02, 1e-3
SMOOTHING, AUXILIARY_WEIGHT = 0.1, 0.4
# Of FairDARTS: beta1 of alpha's Adam, and a weight of the zero-one loss that makes its share of alpha's gradient as large as the rest.
FAIR_BETA, AUX_LOSS_WEIGHT = 0.9, 10.0
# Of StacNAS: images large enough for an auxiliary head in the second stage.
STACNAS_CLIP, STACNAS_SIZE, STACNAS_AUX_WEIGHT = 3.0, 24, 0.4
# Of NAS-Bench-201 by golden: channels, cells a stage, side of the images, and the cell of a trained network.
NASBENCH201 = {
    "nasbench201_supernet_16": (2, 1, 16, None),
    "nasbench201_supernet_32": (4, 2, 32, None),
    "nasbench201_cell": (4, 2, 16, "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|"),
    "nasbench201_skips": (4, 1, 32, "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"),
    "nasbench201_others": (4, 1, 16, "|nor_conv_7x7~0|+|dua_sepc_3x3~0|max_pool_3x3~1|+|dil_sepc_5x5~0|dua_sepc_5x5~1|dil_sepc_3x3~2|"),
}

# All of NASNet's operations that DARTS_V2 lacks: 5x5 separables, average pooling, 5x5 dilated and 7x1 convolutions.
OTHER_OPERATIONS = {
    "normal": {
        "nodes": [
            [{"operation": "sep_conv_5x5", "input": 1}, {"operation": "avg_pool_3x3", "input": 0}],
            [{"operation": "conv_7x1_1x7", "input": 0}, {"operation": "dil_conv_5x5", "input": 2}],
        ],
        "concat": [2, 3],
    },
    "reduce": {
        "nodes": [
            [{"operation": "conv_7x1_1x7", "input": 0}, {"operation": "skip_connect", "input": 1}],
            [{"operation": "sep_conv_5x5", "input": 1}, {"operation": "avg_pool_3x3", "input": 0}],
        ],
        "concat": [2, 3],
    },
}


# Several operations on edges, a node before others of smaller number, an isolated one, sources that are passed over.
TRIPLES = {
    "entries": "triples",
    "normal": [
        ("sep_conv_3x3", 5, 1),
        ("dil_conv_3x3", 2, 0),
        ("max_pool_3x3", 5, 0),
        ("skip_connect", 5, 1),
        ("sep_conv_5x5", 5, 2),
        ("skip_connect", 5, 0),
        ("dil_conv_5x5", 4, 3),
        ("avg_pool_3x3", 4, 2),
        ("skip_connect", 4, 2),
        ("sep_conv_3x3", 4, 1),
        ("max_pool_3x3", 4, 1),
    ],
    "reduce": [
        ("skip_connect", 3, 0),
        ("sep_conv_3x3", 3, 0),
        ("avg_pool_3x3", 3, 1),
        ("dil_conv_3x3", 5, 3),
        ("skip_connect", 5, 1),
        ("dil_conv_5x5", 5, 4),
        ("max_pool_3x3", 4, 1),
        ("skip_connect", 4, 3),
    ],
}

# Nodes w1·op1 + w2·op2 with constant weights.
WEIGHTED = {
    "normal": {
        "nodes": [
            [
                {"operation": "skip_connect", "input": 0, "weight": 0.2386},
                {"operation": "sep_conv_3x3", "input": 1, "weight": 0.234},
            ],
            [
                {"operation": "dil_conv_3x3", "input": 2, "weight": 0.99},
                {"operation": "max_pool_3x3", "input": 0, "weight": 0.01},
            ],
        ],
        "concat": [2, 3],
    },
    "reduce": {
        "nodes": [
            [
                {"operation": "avg_pool_3x3", "input": 0, "weight": 0.1},
                {"operation": "skip_connect", "input": 1, "weight": 0.9},
            ],
            [{"operation": "skip_connect", "input": 2, "weight": 0.5}, {"operation": "max_pool_3x3", "input": 0}],
        ],
        "concat": [2, 3],
    },
}


def supernet(dtype, fair=False):
    return start(Supernet(SEARCH["channels"], SEARCH["layers"], CLASSES, fair=fair), dtype)


def supernet_pass(dtype):
    """A pass over one batch, and the hypergradient with another one."""
    model = supernet(dtype)
    train, validation = (batch(name, SEARCH["size"], dtype) for name in ("train", "validation"))
    logits = model(train[0])
    loss = nn.functional.cross_entropy(logits, train[1])
    loss.backward()
    results = {"logits": logits.detach().numpy(), "loss": loss.detach().numpy()}
    results |= named("gradient", ((name, parameter.grad) for name, parameter in model.named_parameters()))
    results |= named("buffer", model.named_buffers())
    momenta = [0.01 * torch.from_numpy(draw(f"momentum.{name}", weight.numel())).reshape(weight.shape) for name, weight in model.named_weights()]
    momenta = [values.float().to(dtype) for values in momenta]
    unrolled_loss, gradients = hypergradient(model, train, validation, momenta, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY)
    results["unrolledLoss"] = unrolled_loss.numpy()
    for (name, _), values in zip(alphas_of(model), gradients):
        results[f"hypergradient.{name}"] = values.numpy()
    return results


def search(unrolled, dtype):
    """Five steps of a search, each of an alpha step on one batch and a weight step on another, as algorithm 1 of the paper has it."""
    model = supernet(dtype)
    sgd = torch.optim.SGD(model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    adam = torch.optim.Adam(model.alphas(), ARCH_LEARNING_RATE, betas=(0.5, 0.999), weight_decay=ARCH_WEIGHT_DECAY)
    figures = {"loss": [], "validationLoss": [], "gradientNorm": []}
    for step in range(STEPS):
        train, validation = (batch(f"{name} {step}", SEARCH["size"], dtype) for name in ("train", "validation"))
        if unrolled:
            momenta = [sgd.state[weight].get("momentum_buffer", torch.zeros_like(weight)) for weight in model.weights()]
            loss, gradients = hypergradient(model, train, validation, momenta, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY)
        else:
            loss = model.loss(*validation)
            gradients = torch.autograd.grad(loss, model.alphas())
        figures["validationLoss"].append(loss.item())
        for alpha, gradient in zip(model.alphas(), gradients):
            alpha.grad = gradient
        adam.step()
        sgd.zero_grad()
        loss = model.loss(*train)
        loss.backward()
        figures["loss"].append(loss.item())
        figures["gradientNorm"].append(nn.utils.clip_grad_norm_(model.weights(), CLIP).item())
        sgd.step()
    results = {name: numpy.array(values) for name, values in figures.items()}
    results |= {f"alpha.{name}": value.detach().numpy() for name, value in alphas_of(model)}
    results |= named("weight", model.named_weights())
    # The published second order moves the running statistics in all of its passes, ours in one.
    return results if unrolled else results | named("buffer", model.named_buffers())


def fair_search(form, single_level, dtype):
    """Five steps of FairDARTS: alpha by cross-entropy and zero-one loss on one batch, then weights on another, or both on one."""
    model = supernet(dtype, fair=True)
    sgd = torch.optim.SGD(model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    adam = torch.optim.Adam(model.alphas(), ARCH_LEARNING_RATE, betas=(FAIR_BETA, 0.999), weight_decay=ARCH_WEIGHT_DECAY)
    figures = {"loss": [], "validationLoss": [], "zeroOneLoss": [], "gradientNorm": []}
    results = {}
    for step in range(STEPS):
        train, validation = (batch(f"{name} {step}", SEARCH["size"], dtype) for name in ("train", "validation"))
        entropy, separation = model.loss(*(train if single_level else validation)), zero_one(model, form)
        figures["validationLoss"].append(entropy.item())
        figures["zeroOneLoss"].append(separation.item())
        loss = entropy + AUX_LOSS_WEIGHT * separation
        sgd.zero_grad()
        adam.zero_grad()
        loss.backward()
        if step == 0:
            results |= {f"gradient.{name}": value.grad.numpy().copy() for name, value in alphas_of(model)}
        if not single_level:
            adam.step()
            sgd.zero_grad()
            loss = model.loss(*train) + AUX_LOSS_WEIGHT * zero_one(model, form)
            loss.backward()
        figures["loss"].append(loss.item())
        figures["gradientNorm"].append(nn.utils.clip_grad_norm_(model.weights(), CLIP).item())
        sgd.step()
        if single_level:
            adam.step()
    results |= {name: numpy.array(values) for name, values in figures.items()}
    results |= {f"alpha.{name}": value.detach().numpy() for name, value in alphas_of(model)}
    # One of the forms shows what becomes of the rest.
    return results if single_level else results | named("weight", model.named_weights()) | named("buffer", model.named_buffers())


def stage_search(stage, size, aux_weight, dtype):
    """The gradients of a stage of StacNAS in its first step, and five steps: one pass a step for weights and alpha."""
    model = start(StageSupernet(STAGES[stage], SEARCH["channels"], SEARCH["layers"], CLASSES, aux_weight=aux_weight, size=size), dtype)
    sgd = torch.optim.SGD(model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    adam = torch.optim.Adam(model.alphas(), ARCH_LEARNING_RATE, betas=(0.5, 0.999), weight_decay=ARCH_WEIGHT_DECAY)
    logits = []
    model.classifier.register_forward_hook(lambda *call: logits.append(call[2].detach().numpy()))
    figures = {"loss": [], "gradientNorm": []}
    for step in range(STEPS):
        loss, norm = one_level_step(model, sgd, adam, batch(f"train {step}", size, dtype), STACNAS_CLIP)
        figures["loss"].append(loss.item())
        figures["gradientNorm"].append(norm.item())
        if step == 0:
            factor = min(1.0, STACNAS_CLIP / (norm.item() + 1e-6))
            clipped = {id(weight) for weight in model.weights()}
            gradients = [(name, value.grad / factor if id(value) in clipped else value.grad) for name, value in model.named_parameters()]
            results = {"logits": logits[0]} | named("gradient", gradients)
    results |= {name: numpy.array(values) for name, values in figures.items()}
    results |= {f"alpha.{name}": value.detach().numpy() for name, value in alphas_of(model)}
    return results | named("weight", model.named_weights()) | named("buffer", model.named_buffers())


def derived(genotype, auxiliary, dtype, pool_norm=False):
    """The logits of a derived network before a training pass, with running statistics, and that pass."""
    sizes = (DERIVED["channels"], DERIVED["layers"], CLASSES)
    model = start(DerivedNetwork(genotype, *sizes, auxiliary=auxiliary, pool_norm=pool_norm), dtype)
    images, labels = batch("train", DERIVED["size"], dtype)
    model.eval()
    with torch.no_grad():
        results = {"testLogits": model(images)[0].numpy()}
    model.train()
    logits = []
    model.classifier.register_forward_hook(lambda *call: logits.append(call[2].detach()))
    loss = model.loss(images, labels, SMOOTHING, AUXILIARY_WEIGHT)
    loss.backward()
    results |= {"logits": logits[0].numpy(), "loss": loss.detach().numpy()}
    parameters = list(model.named_parameters())
    results |= named("gradient", ((name, parameter.grad) for name, parameter in parameters if parameter.grad is not None))
    # Of operations that are passed over: there, but moved by nothing.
    results |= named("buffer", ((name, parameter) for name, parameter in parameters if parameter.grad is None))
    return results | named("buffer", model.named_buffers())


def nasbench201(channels, depth, size, text, dtype):
    """The logits of a network of NAS-Bench-201 with running statistics, then a training pass."""
    model = start(Network(channels, depth, CLASSES, text and parse(text)), dtype)
    images, labels = batch("train", size, dtype)
    model.eval()
    with torch.no_grad():
        results = {"testLogits": model(images).numpy()}
    model.train()
    logits = model(images)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    results |= {"logits": logits.detach().numpy(), "loss": loss.detach().numpy()}
    results |= named("gradient", ((name, parameter.grad) for name, parameter in model.named_parameters()))
    return results | named("buffer", model.named_buffers())


GOLDENS = {
    "supernet": supernet_pass,
    "search_first_order": lambda dtype: search(False, dtype),
    "search_second_order": lambda dtype: search(True, dtype),
    "fairdarts_two_levels": lambda dtype: fair_search("l2", False, dtype),
    "fairdarts_one_level": lambda dtype: fair_search("l1", True, dtype),
    "stacnas_search1": lambda dtype: stage_search("search1", SEARCH["size"], 0.0, dtype),
    "stacnas_search2": lambda dtype: stage_search("search2", STACNAS_SIZE, STACNAS_AUX_WEIGHT, dtype),
    "derived_darts_v2": lambda dtype: derived(DARTS_V2, True, dtype),
    "derived_other_operations": lambda dtype: derived(OTHER_OPERATIONS, False, dtype),
    "derived_triples": lambda dtype: derived(TRIPLES, True, dtype),
    "derived_weighted": lambda dtype: derived(WEIGHTED, False, dtype),
    "derived_normalised_pooling": lambda dtype: derived(WEIGHTED, True, dtype, pool_norm=True),
    **{name: lambda dtype, form=form: nasbench201(*form, dtype) for name, form in NASBENCH201.items()},
    **projection.GOLDENS,
}


def root_mean_square(values):
    return numpy.sqrt(numpy.square(values).mean())


def float32_errors(exact, single):
    """How far float32 is from float64, by group. `deviations` of test/torch/exchange.ts is the same measure."""
    errors = {}
    for group in dict.fromkeys(name.split(".")[0] for name in exact):
        sizes = {name: root_mean_square(exact[name]) for name in exact if name.split(".")[0] == group}
        floor = 1e-3 * numpy.median(list(sizes.values()))
        errors[f"float32.{group}"] = max(
            root_mean_square(single[name] - exact[name]) / max(size, floor) for name, size in sizes.items()
        )
    return errors


def main(folder):
    # One order of sums.
    torch.set_num_threads(1)
    for name, compute in GOLDENS.items():
        exact, single = compute(torch.float64), compute(torch.float32)
        write_tensors(os.path.join(folder, f"{name}.safetensors"), exact | float32_errors(exact, single))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
