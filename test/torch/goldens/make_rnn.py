"""Makes the goldens of recurrent cells beside it: python3 make_rnn.py [FOLDER]. The language models are those of bench/peers, yardsticks
those of make.py; test/torch/rnn_goldens.ts reads them.

Each golden holds all that another implementation must be fed: `given.NAME` of weights, alpha, running statistics, hidden states, texts
and masks, exact in float32, and `setting.NAME`. Tensors have the names of the published state dict. A list of all weights is one vector,
in flat order: embedding, W0, Ws, decoder's bias. Rows of what belongs to steps are the steps; behind them stand column groups.
"""

import os
import sys

import numpy
import torch

from make import HERE, float32_errors

from language_model import (
    GENOTYPES,
    ROWS,
    DerivedCell,
    Dropouts,
    LanguageModel,
    Masks,
    SearchCell,
    entropy,
    mask_shapes,
    regularised,
)
from language_search import Search, StepMasks, validation_row
from language_training import Batch, Settings, Training, batched, batches_at, score
from tensor_file import write_tensors
from values import draw

# All divide without a rest in float32.
DROPOUTS = Dropouts(dropoute=0.2, dropouti=0.2, dropoutx=0.5, dropouth=0.2, dropout=0.5)
REGULARISERS = {"alpha": 0.7, "beta": 1e-3}
# Words, size, columns, time steps; the genotype of a derived cell.
PASSES = {
    "rnn_search": ((13, 6, 5, 5), None),
    "rnn_search_short": ((13, 6, 5, 2), None),
    "rnn_search_wide": ((29, 18, 6, 4), None),
    "rnn_darts_v1": ((13, 6, 3, 5), "DARTS_V1"),
    "rnn_darts_v2": ((13, 6, 3, 5), "DARTS_V2"),
    "rnn_darts_v2_short": ((13, 6, 3, 2), "DARTS_V2"),
    "rnn_darts_v2_wide": ((29, 18, 5, 4), "DARTS_V2"),
    "rnn_enas": ((13, 6, 3, 5), "ENAS"),
}
# Of what takes steps; columns are those of one group. Batch statistics of fewer would make float32 a poor yardstick.
WORDS, SIZE, COLUMNS = 11, 5, 6
TRAINING = Settings(lr=2.0, bptt=4, clip=0.25, wdecay=1e-3, **REGULARISERS)
# The last batch has fewer rows than were drawn. Whether SGD is averaged, column groups, and what differs from the settings above.
TRAINING_ROWS, TRAINING_LENGTHS = 18, (5, 4, 2, 4, 5)
TRAININGS = {
    "rnn_sgd": (False, 1, {}),
    "rnn_sgd_groups": (False, 2, {}),
    "rnn_asgd": (True, 1, {}),
    "rnn_asgd_current_rate": (True, 1, {"current_rate": True}),
}
SEARCH = Settings(lr=2.0, bptt=4, clip=0.25, wdecay=1e-3, arch_lr=0.05, arch_wdecay=1e-2)
# The second validation batch is one row, the third one begins anew. Column groups, and what differs from the settings above.
SEARCH_ROWS, VALIDATION_ROWS, SEARCH_LENGTHS = 13, 6, (4, 4, 2)
# A limit that no gradient reaches wants small steps.
UNROLLED, UNCLIPPED = {"unrolled": True}, {"unrolled": True, "clip": 8.0, "lr": 0.125}
REPAIRED = {"new_embedding": True, "clamped": True, "same_masks": True, "add_groups": True, "zero_at_wrap": True}
SEARCHES = {
    "rnn_first_order": (1, {}),
    "rnn_first_order_zero_at_wrap": (1, {"zero_at_wrap": True}),
    "rnn_first_order_groups": (2, {}),
    "rnn_first_order_groups_added": (2, {"add_groups": True}),
    "rnn_second_order": (1, UNROLLED),
    "rnn_second_order_new_embedding": (1, UNROLLED | {"new_embedding": True}),
    "rnn_second_order_same_masks": (1, UNROLLED | {"same_masks": True}),
    "rnn_second_order_unclipped": (1, UNCLIPPED),
    "rnn_second_order_clamped": (1, UNCLIPPED | {"clamped": True}),
    "rnn_second_order_repaired": (2, UNCLIPPED | REPAIRED),
}
SCORED_ROWS, SCORED_COLUMNS = 11, 2
# Of texts and masks: one where float32 stays near float64 through all steps; see values.py.
DRAWING = 1


def values(name, shape, scale=1.0, offset=0.0):
    drawn = scale * draw(name, int(numpy.prod(shape))).reshape(shape) + offset
    return torch.from_numpy(drawn.astype(numpy.float32)).to(torch.get_default_dtype())


def words(name, count, vocabulary):
    return torch.from_numpy(((draw(f"{name} {DRAWING}", count) + 1) / 2 * vocabulary).astype(numpy.int64))


def masks(name, vocabulary, columns, size):
    def mask(kind, shape, probability):
        keep = 1 - probability
        return (values(f"{name} {kind} {DRAWING}", shape) < 2 * keep - 1).to(torch.get_default_dtype()) / keep

    return Masks(*map(mask, Masks._fields, mask_shapes(vocabulary, columns, size), DROPOUTS))


def start(vocabulary, cell):
    """A model whose weights bend its activations."""
    model = LanguageModel(vocabulary, cell)
    size = model.encoder.embedding_dim
    with torch.no_grad():
        for name, weight in model.named_parameters():
            scale = {"encoder.weight": 1.0, "decoder.bias": 0.25}.get(name, 2 / size**0.5)
            weight.copy_(values(name, weight.shape, scale))
        if is_search(model):
            model.alpha.copy_(values("alpha", (ROWS, 5)))
            cell.bn.running_mean.copy_(values("running_mean", (size,), 0.25))
            cell.bn.running_var.copy_(values("running_var", (size,), 0.5, 1.0))
    return model


def is_search(model):
    return isinstance(model.rnns[0], SearchCell)


def cell_of(genotype, size):
    return SearchCell(size) if genotype is None else DerivedCell(size, GENOTYPES[genotype])


def parameters(model):
    return dict(model.named_parameters()) | ({"alpha": model.alpha} if is_search(model) else {})


def statistics(model):
    return {name: value for name, value in model.named_buffers() if value.ndim > 0}


def named(prefix, tensors):
    return {f"{prefix}.{name}": array(value) for name, value in tensors.items()}


def array(tensor):
    """A copy, in float64 whatever it was."""
    return tensor.detach().double().numpy().copy()


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def given_model(model):
    return named("given", parameters(model) | statistics(model))


def given_masks(prefix, chosen):
    return {f"given.mask{prefix}.{name}": array(mask) for name, mask in zip(Masks._fields, chosen)}


def settings_of(settings):
    return {f"setting.{name}": numpy.array(float(value)) for name, value in settings.items()}


def one_pass(sizes, genotype):
    """A pass as a weight step makes it with both regularisers, and before it one as in scoring."""
    vocabulary, size, columns, steps = sizes
    model = start(vocabulary, cell_of(genotype, size))
    tokens = words("tokens", steps * columns, vocabulary).view(steps, columns)
    targets = words("targets", steps * columns, vocabulary)
    hidden, chosen = values("hidden", (columns, size)), masks("pass", vocabulary, columns, size)
    given = given_model(model) | given_masks("", chosen) | settings_of(REGULARISERS)
    given |= {"given.tokens": array(tokens), "given.targets": array(targets), "given.hidden": array(hidden)}
    model.eval()
    with torch.no_grad():
        scored = model(tokens, hidden)
    model.train()
    output = model(tokens, hidden, chosen)
    nll = entropy(output, targets)
    loss = regularised(nll, output, **REGULARISERS)
    wanted = parameters(model)
    results = {
        "logProbabilities": array(output.log_probabilities),
        "nll": array(nll),
        "loss": array(loss),
        "raw": array(output.raw),
        "dropped": array(output.dropped),
        "lastHidden": array(output.hidden),
        "scoredLogProbabilities": array(scored.log_probabilities),
        "scoredNll": array(entropy(scored, targets)),
        "scoredHidden": array(scored.hidden),
    }
    gradients = dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values()))))
    alpha = {"alphaGradient": array(gradients.pop("alpha"))} if is_search(model) else {}
    return given, results | alpha | named("gradient", gradients) | named("statistics", statistics(model))


class Rows:
    """What steps gave, one row a step."""

    def __init__(self):
        self.rows = {}

    def note(self, **figures):
        for name, value in figures.items():
            self.rows.setdefault(name, []).append(array(value))

    def stacked(self):
        return {name: numpy.stack(values) for name, values in self.rows.items()}


def stack(tensors):
    return torch.stack([tensor.detach() for tensor in tensors])


def walk(lengths):
    """Rows and drawn lengths of an epoch's first steps."""
    row = 0
    for length in lengths:
        yield row, length
        row += length


def text(name, rows, groups):
    return batched(words(name, rows * groups * COLUMNS, WORDS), groups * COLUMNS)


def stacked_masks(prefix, steps):
    """Of steps, each a list of masks by column group."""
    parts = {name: torch.stack([stack(mask[place] for mask in groups) for groups in steps]) for place, name in enumerate(Masks._fields)}
    return given_masks(prefix, parts.values())


def given_walk(lengths, texts):
    given = {f"given.{name}": array(rows) for name, rows in texts.items()}
    rows, drawn = zip(*walk(lengths))
    return given | {"given.rows": numpy.array(rows), "given.lengths": numpy.array(drawn)}


def train(averaged, groups, changes):
    """Weight steps of DARTS_V2's cell."""
    settings = TRAINING._replace(**changes)
    model = start(WORDS, cell_of("DARTS_V2", SIZE))
    train = text("train", TRAINING_ROWS, groups)
    steps = [
        [masks(f"step {step} {group}", WORDS, COLUMNS, SIZE) for group in range(groups)]
        for step in range(len(TRAINING_LENGTHS))
    ]
    given = given_model(model) | given_walk(TRAINING_LENGTHS, {"train": train}) | stacked_masks("", steps)
    given |= settings_of({"averaged": averaged, "groups": groups} | settings._asdict())
    training, rows = Training(model, settings, averaged), Rows()
    training.begin_epoch(groups * COLUMNS, groups)
    for (row, length), chosen in zip(walk(TRAINING_LENGTHS), steps):
        figures, how = training.step(batches_at(train, row, length, groups), chosen, length)
        rows.note(nll=stack(passed.nll for passed in figures), loss=stack(passed.loss for passed in figures))
        rows.note(gradientNorm=how.norm, coefficient=how.coefficient)
        rows.note(hidden=stack(training.hidden), weights=flat(model.weights()))
        if averaged:
            rows.note(averages=flat(training.averages()))
    return given, rows.stacked()


def search(groups, changes):
    settings = SEARCH._replace(**changes)
    model = start(WORDS, cell_of(None, SIZE))
    texts = {"train": text("train", SEARCH_ROWS, groups), "validation": text("validation", VALIDATION_ROWS, groups)}
    used = StepMasks._fields if settings.unrolled else ("validation", "weights")
    steps = [
        [
            StepMasks(**{name: masks(f"step {step} {group} {name}", WORDS, COLUMNS, SIZE) for name in used})
            for group in range(groups)
        ]
        for step in range(len(SEARCH_LENGTHS))
    ]
    given = given_model(model) | given_walk(SEARCH_LENGTHS, texts)
    for name in used:
        given |= stacked_masks(f".{name}", [[getattr(chosen, name) for chosen in row] for row in steps])
    given |= settings_of({"groups": groups} | settings._asdict())
    searching, rows = Search(model, settings), Rows()
    searching.begin_epoch(groups * COLUMNS, groups)
    for (row, length), chosen in zip(walk(SEARCH_LENGTHS), steps):
        place, wraps = validation_row(row, VALIDATION_ROWS)
        batches = batches_at(texts["train"], row, length, groups), batches_at(texts["validation"], place, settings.bptt, groups)
        figures, how = searching.step(*batches, chosen, length, wraps)
        architecture, alphas, weights = zip(*figures)
        rows.note(nll=stack(passed.nll for passed in weights), loss=stack(passed.loss for passed in weights))
        rows.note(gradientNorm=how.norm, coefficient=how.coefficient)
        rows.note(validationNll=stack(step.nll for step in architecture), alphaGradient=stack(step.gradient for step in architecture))
        rows.note(alpha=stack(alphas), weights=flat(model.weights()))
        rows.note(hidden=stack(searching.training.hidden), validationHidden=stack(searching.hidden))
        rows.note(runningMean=model.rnns[0].bn.running_mean, runningVar=model.rnns[0].bn.running_var)
        if settings.unrolled:
            rows.note(**of_second_order([step.parts for step in architecture]))
    return given, rows.stacked()


def of_second_order(groups):
    """`directionNorm` is before clipping, `epsilon` of the clipped one; `implicit` is what is taken from `direct`."""
    return {
        "unrolledNorm": stack(parts.clipping.norm for parts in groups),
        "unrolledCoefficient": stack(parts.clipping.coefficient for parts in groups),
        "unrolled": stack(flat(parts.unrolled) for parts in groups),
        "direct": stack(parts.direct for parts in groups),
        "directionNorm": stack(parts.clipping_direction.norm for parts in groups),
        "epsilon": stack(parts.epsilon for parts in groups),
        "plus": stack(parts.plus for parts in groups),
        "minus": stack(parts.minus for parts in groups),
        "implicit": stack(parts.implicit for parts in groups),
    }


def scoring(genotype, bptt=4):
    """A whole text, the last batch of which is shorter."""
    model = start(WORDS, cell_of(genotype, SIZE))
    rows = batched(words("scored", SCORED_ROWS * SCORED_COLUMNS, WORDS), SCORED_COLUMNS)
    given = given_model(model) | {"given.text": array(rows)} | settings_of({"bptt": bptt})
    found = score(model, rows, bptt)
    return given, {"published": numpy.array(found.published), "exact": numpy.array(found.exact)}


GOLDENS = {
    **{name: lambda given=given: one_pass(*given) for name, given in PASSES.items()},
    **{name: lambda given=given: train(*given) for name, given in TRAININGS.items()},
    **{name: lambda given=given: search(*given) for name, given in SEARCHES.items()},
    "rnn_score_search": lambda: scoring(None),
    "rnn_score_enas": lambda: scoring("ENAS"),
}


def computed(compute, dtype):
    # The optimiser of averaged SGD keeps its rates and factors in the default one.
    torch.set_default_dtype(dtype)
    return compute()


def main(folder):
    # One order of sums.
    torch.set_num_threads(1)
    for name, compute in GOLDENS.items():
        given, exact = computed(compute, torch.float64)
        _, single = computed(compute, torch.float32)
        write_tensors(os.path.join(folder, f"{name}.safetensors"), given | exact | float32_errors(exact, single))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
