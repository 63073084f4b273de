"""Goldens of DARTS-PT (Wang et al., arXiv:2108.04392) and SDARTS (Chen and Hsieh, arXiv:2002.05283); make.py makes them with the others."""

import numpy
import torch
from torch import nn
from torch.nn import functional

from projected_supernet import S3, S5, ProjectedSupernet
from values import CLASSES, alphas_of, batch, draw, named, start

CELLS = ("normal", "reduce")
SIZES = {"channels": 2, "layers": 4, "classes": CLASSES}
SIZE = 8
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.025, 0.9, 3e-4, 5.0
ARCH_LEARNING_RATE, ARCH_WEIGHT_DECAY = 0.02, 1e-3
TUNED_STEPS = 3
# By space: its candidates, and the rows that are decided: the candidate that one keeps, or None where its edge is dropped.
SPACES = {
    "s3": (S3, {"normal": {3: 2, 6: 1, 9: None, 12: 0}, "reduce": {0: 2, 2: 1, 7: None}}),
    "s5": (S5, {"normal": {3: 3, 6: 2, 9: None, 12: 0}, "reduce": {0: 5, 2: 1, 7: None}}),
}
# Of the batches of fine-tuning: ones where all steps come out alike in float32 and in float64, as those of values.py are chosen.
DRAWING = "a"
# Of two scores: one without a candidate of an open row, one without an edge that is decided.
MASKS = ([("normal", 5, 1)], [("normal", 3, None)])
# Of the attacks: how far weights move at most, and whether rows are decided.
ATTACKS = {"s3": (0.3, True), "s5": (0.165, False)}
ATTACK_STEPS = 7
ROW_LENGTHS = (2, 3, 5, 7, 8)
SELECTED = ("skip_connect", "sep_conv_3x3")
SCORED_BATCHES = 6


def supernet(names, dtype, **sizes):
    return start(ProjectedSupernet(names, **{**SIZES, **sizes}), dtype)


def projected(space, dtype):
    """Two scores, then steps of fine-tuning: the first one with all rows open, so that what is decided then has momentum."""
    names, decided = SPACES[space]
    model = supernet(names, dtype)
    train, validation = (batch(f"{name} {DRAWING}", SIZE, dtype) for name in ("train", "validation"))
    results, losses = {}, []
    model.decided = decided
    for index, model.masked in enumerate(MASKS):
        with torch.no_grad():
            logits = model(validation[0])
        results[f"scoreLogits.{index}"] = logits.numpy()
        losses.append(functional.cross_entropy(logits, validation[1]).item())
    results["scoreLoss"] = numpy.array(losses)
    results |= named("scored", model.named_buffers())

    model.masked = ()
    sgd = torch.optim.SGD(model.weights(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)
    adam = torch.optim.Adam(model.alphas(), ARCH_LEARNING_RATE, betas=(0.5, 0.999), weight_decay=ARCH_WEIGHT_DECAY)
    figures = {"loss": [], "validationLoss": [], "gradientNorm": []}
    for step in range(TUNED_STEPS):
        model.decided = {cell: {} for cell in CELLS} if step == 0 else decided
        loss = model.loss(*validation)
        figures["validationLoss"].append(loss.item())
        for alpha, gradient in zip(model.alphas(), torch.autograd.grad(loss, model.alphas())):
            alpha.grad = gradient
        adam.step()
        if step == 1:
            results |= {f"slope.{name}": alpha.grad.numpy().copy() for name, alpha in alphas_of(model)}
        # Gradients of what does not run are zeros, as PyTorch before 2.0 has them.
        sgd.zero_grad(set_to_none=False)
        loss = model.loss(*train)
        loss.backward()
        figures["loss"].append(loss.item())
        if step == 1:
            results |= named("gradient", ((name, weight.grad) for name, weight in model.named_weights()))
        figures["gradientNorm"].append(nn.utils.clip_grad_norm_(model.weights(), CLIP).item())
        sgd.step()
    results |= {name: numpy.array(values) for name, values in figures.items()}
    results |= {f"alpha.{name}": value.detach().numpy() for name, value in alphas_of(model)}
    return results | named("weight", model.named_weights()) | named("buffer", model.named_buffers())


def clip(row):
    """A row put back to numbers from 0 to 1 that sum to 1."""
    largest = int(row.argmax())
    row = row.clamp(0, 1)
    if row.sum() == 0:
        row[largest] = 1
    return row / row.sum()


def rows_to_clip(length):
    """Random ones, most of which leave the simplex, and the corners of the rule."""
    drawn = draw(f"rows {length}", 24 * length).reshape(24, length) * numpy.repeat([0.25, 1, 2], 8)[:, None] + 0.125
    first = numpy.eye(length)[0]
    corners = [0 * first, 0 * first - 1, -numpy.arange(length), numpy.arange(length) - length, first, 2 * first]
    corners += [first - 1, 0 * first + 1, 0 * first + 1 / length, first[::-1] - 2 * first, 0.25 * first - 0.5 * first[::-1]]
    return numpy.concatenate([drawn, numpy.array(corners)])


def clipped(dtype):
    results = {}
    for length in ROW_LENGTHS:
        rows = rows_to_clip(length).astype(numpy.float32)
        results[f"row.{length}"] = rows.astype(numpy.float64)
        results[f"clipped.{length}"] = torch.stack([clip(row) for row in torch.from_numpy(rows).to(dtype)]).numpy()
    return results


def attacked(space, dtype):
    """An attack on the mixing weights with given draws, in evaluation mode, and the weights' pass at what it came to."""
    names, decided = SPACES[space]
    epsilon, selecting = ATTACKS[space]
    model = supernet(names, dtype)
    if selecting:
        model.decided = decided
    images, labels = batch("train", SIZE, dtype)
    with torch.no_grad():
        # Moves the running statistics.
        model(batch("validation", SIZE, dtype)[0])
        undisturbed = {cell: rows.clone() for cell, rows in model.mixing().items()}
    count = undisturbed["normal"].numel()
    drawn = torch.from_numpy(draw(f"attack {space}", 2 * count)).to(dtype)
    noise = {cell: epsilon * values.reshape(undisturbed[cell].shape) for cell, values in zip(CELLS, drawn.split(count))}
    is_open = {cell: [row not in model.decided[cell] for row in range(len(rows))] for cell, rows in undisturbed.items()}

    def put_back(rows):
        return {
            cell: torch.stack([clip(row) if free else kept for row, kept, free in zip(rows[cell], undisturbed[cell], is_open[cell])])
            for cell in CELLS
        }

    def loss_at(rows):
        model.given = rows
        with torch.no_grad():
            return model.loss(images, labels).item()

    model.eval()
    losses = [loss_at(undisturbed)]
    moved = put_back({cell: undisturbed[cell] + noise[cell] for cell in CELLS})
    results = {f"moved.0.{cell}": moved[cell].numpy().copy() for cell in CELLS}
    for step in range(ATTACK_STEPS):
        leaves = {cell: rows.clone().requires_grad_() for cell, rows in moved.items()}
        model.given = leaves
        slopes = torch.autograd.grad(model.loss(images, labels), [leaves[cell] for cell in CELLS])
        for cell, slope in zip(CELLS, slopes):
            results[f"slope.{step}.{cell}"] = slope.numpy()
            further = moved[cell] + (2 * epsilon / ATTACK_STEPS) * slope.sign()
            moved[cell] = undisturbed[cell] + (further - undisturbed[cell]).clamp(-epsilon, epsilon)
        moved = put_back(moved)
        results |= {f"moved.{step + 1}.{cell}": moved[cell].numpy().copy() for cell in CELLS}
    losses.append(loss_at(moved))
    if losses[0] > losses[1]:
        moved = undisturbed
    results["losses"] = numpy.array(losses)
    results |= {f"final.{cell}": moved[cell].numpy().copy() for cell in CELLS}

    model.train()
    model.given = moved
    loss = model.loss(images, labels)
    loss.backward()
    results["trainLoss"] = loss.detach().numpy()
    weights = model.named_weights()
    zeros = {name: torch.zeros_like(weight) for name, weight in weights}
    results |= named("gradient", ((name, zeros[name] if weight.grad is None else weight.grad) for name, weight in weights))
    return results | named("buffer", model.named_buffers())


def selection(criterion, seed, dtype):
    """Every decision of a selection without fine-tuning in a space of two nodes and two candidates, on batches that are always the same."""
    model = supernet(SELECTED, dtype, nodes=2, layers=3)
    batches = [batch(f"scored {index}", SIZE, dtype) for index in range(SCORED_BATCHES)]
    generator = numpy.random.RandomState(seed)
    scores = []

    def score(*masked):
        model.masked = masked
        hits, losses = 0, []
        with torch.no_grad():
            for images, labels in batches:
                logits = model(images)
                hits += (logits.argmax(1) == labels).sum().item()
                losses.append(functional.cross_entropy(logits, labels).item())
        accuracy, loss = hits / sum(len(labels) for _, labels in batches), sum(losses) / len(losses)
        scores.append((accuracy, loss))
        return accuracy if criterion == "acc" else -loss

    open_rows = {cell: list(range(5)) for cell in CELLS}
    for _ in range(5):
        for cell in CELLS:
            row = generator.choice(open_rows[cell])
            open_rows[cell].remove(row)
            worths = [score((cell, row, k)) for k in range(len(SELECTED))]
            # The lowest, of equals the first.
            model.decided[cell][row] = worths.index(min(worths))
    for cell in CELLS:
        # Node 1, the only one with more than two edges.
        left = [2, 3, 4]
        while len(left) > 2:
            worths = [score((cell, row, None)) for row in left]
            # The highest, of equals the last.
            gone = max(range(len(left)), key=lambda place: (worths[place], place))
            model.decided[cell][left.pop(gone)] = None
    results = {"scores": numpy.array(scores)}
    for cell in CELLS:
        states = [model.decided[cell][row] for row in range(5)]
        results[f"state.{cell}"] = numpy.array([-1.0 if state is None else float(state) for state in states])
    return results


GOLDENS = {
    **{f"projected_{space}": lambda dtype, space=space: projected(space, dtype) for space in SPACES},
    "sdarts_rows": clipped,
    **{f"sdarts_attack_{space}": lambda dtype, space=space: attacked(space, dtype) for space in ATTACKS},
    **{f"selection_{form}": lambda dtype, form=form: selection(form, 0, dtype) for form in ("acc", "loss")},
}
