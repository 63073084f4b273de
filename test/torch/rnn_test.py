"""The PyTorch language model in bench/peers against the published formulas, one number at a time, and against finite differences:
python3 rnn_test.py."""

import math
import os
import sys
import unittest
from unittest import mock

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../bench/peers"))
sys.dont_write_bytecode = True

from language_model import (  # noqa: E402
    GENOTYPES,
    DerivedCell,
    Dropouts,
    LanguageModel,
    Masks,
    SearchCell,
    draw_masks,
    entropy,
    mask_shapes,
    regularised,
)
from language_search import Search, StepMasks, hypergradient, validation_row  # noqa: E402
from language_step import WORKS, LanguageStep, every_gradient  # noqa: E402
from language_training import Batch, Settings, Training, batched, batches_at, score  # noqa: E402

V, N, B, T = 7, 4, 3, 3
DROPOUTS = Dropouts(0.2, 0.3, 0.4, 0.25, 0.5)
SCALARS = {"tanh": math.tanh, "relu": lambda x: max(x, 0.0), "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "identity": lambda x: x}


def size_of(words, size, cell):
    with torch.device("meta"):
        return sum(weight.numel() for weight in LanguageModel(words, cell(size)).weights())


def model_of(cell, seed=1):
    """A small model with weights that bend its activations."""
    torch.manual_seed(seed)
    model = LanguageModel(V, cell)
    with torch.no_grad():
        for weight in model.weights():
            weight.uniform_(-1, 1)
    return model


def search_model(tuned=False):
    model = model_of(SearchCell(N, tuned))
    with torch.no_grad():
        model.alpha.uniform_(-1, 1)
    return model


def derived_model(name="DARTS_V2", tuned=False):
    return model_of(DerivedCell(N, GENOTYPES[name], tuned))


def batch(seed=2, steps=T, columns=B):
    torch.manual_seed(seed)
    return Batch(torch.randint(V, (steps, columns)), torch.randint(V, (steps * columns,))), torch.rand(columns, N)


def masks(seed=3, columns=B):
    torch.manual_seed(seed)
    return draw_masks(DROPOUTS, V, columns, torch.empty(N))


def step_masks(seed=4, columns=B):
    return StepMasks(*(masks(seed + index, columns) for index in range(len(StepMasks._fields))))


def first_state(weight, x, h, masks, column):
    """Of one column, one number at a time."""
    joined = [a * m for a, m in zip(x[column], masks.x[column])] + [a * m for a, m in zip(h[column], masks.h[column])]
    product = [sum(joined[row] * weight[row][place] for row in range(2 * N)) for place in range(2 * N)]
    gates = [SCALARS["sigmoid"](product[place]) for place in range(N)]
    return [h[column][place] + gates[place] * (math.tanh(product[N + place]) - h[column][place]) for place in range(N)]


def gate_and_candidate(weight, state, mask):
    product = [sum(state[row] * mask[row] * weight[row][place] for row in range(N)) for place in range(2 * N)]
    return [SCALARS["sigmoid"](value) for value in product[:N]], product[N:]


class Statistics:
    """The one batch norm of a search, with means over lists of columns."""

    def __init__(self):
        self.mean, self.variance = [0.0] * N, [1.0] * N

    def __call__(self, columns):
        means = [sum(column[place] for column in columns) / B for place in range(N)]
        variances = [sum((column[place] - means[place]) ** 2 for column in columns) / B for place in range(N)]
        self.mean = [0.9 * old + 0.1 * new for old, new in zip(self.mean, means)]
        self.variance = [0.9 * old + 0.1 * new * B / (B - 1) for old, new in zip(self.variance, variances)]
        return [[(column[place] - means[place]) / math.sqrt(variances[place] + 1e-5) for place in range(N)] for column in columns]


def derived_step(cell, x, h, masks):
    columns = []
    for column in range(B):
        states = [first_state(cell._W0.tolist(), x, h, masks, column)]
        for weight, (activation, predecessor) in zip(cell._Ws, cell.genotype.recurrent):
            state = states[predecessor]
            gates, candidates = gate_and_candidate(weight.tolist(), state, masks.h[column])
            states.append([s + c * (SCALARS[activation](g) - s) for s, c, g in zip(state, gates, candidates)])
        kept = [states[node] for node in cell.genotype.concat]
        columns.append([sum(values) / len(kept) for values in zip(*kept)])
    return columns


def search_step(cell, statistics, x, h, masks):
    states = [statistics([first_state(cell._W0.tolist(), x, h, masks, column) for column in range(B)])]
    for node, weight in enumerate(cell._Ws, 1):
        sums = [[0.0] * N for _ in range(B)]
        for predecessor in range(node):
            logits = cell.alpha[node * (node - 1) // 2 + predecessor].tolist()
            shares = [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]
            for column in range(B):
                state = states[predecessor][column]
                gates, candidates = gate_and_candidate(weight.tolist(), state, masks.h[column])
                for share, activation in zip(shares[1:], ("tanh", "relu", "sigmoid", "identity")):
                    for place, (s, c, g) in enumerate(zip(state, gates, candidates)):
                        sums[column][place] += share * (s + c * (SCALARS[activation](g) - s))
        states.append(statistics(sums))
    return [[sum(states[node][column][place] for node in range(1, 9)) / 8 for place in range(N)] for column in range(B)]


class Models(unittest.TestCase):
    def test_sizes(self):
        def derived(name):
            return lambda size: DerivedCell(size, GENOTYPES[name])

        self.assertEqual(size_of(10_000, 850, derived("DARTS_V2")), 22_960_000)
        self.assertEqual(size_of(33_278, 700, derived("DARTS_V1")), 33_127_878)
        self.assertEqual(size_of(10_000, 850, derived("ENAS")), 27_295_000)
        self.assertEqual(size_of(10_000, 300, SearchCell), 4_810_000)
        self.assertEqual(size_of(33_278, 300, SearchCell), 11_816_678)
        self.assertEqual(search_model().alpha.numel(), 180)

    def test_names(self):
        model = search_model()
        flat = ["encoder.weight", "rnns.0._W0", *(f"rnns.0._Ws.{node}" for node in range(8)), "decoder.bias"]
        self.assertEqual([name for name, _ in model.named_parameters()], flat)
        statistics = [f"rnns.0.bn.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")]
        self.assertEqual(set(model.state_dict()), {*flat, *statistics, "decoder.weight"})
        self.assertIs(model.decoder.weight, model.encoder.weight)

    def test_initial_values(self):
        torch.manual_seed(0)
        model = LanguageModel(100, SearchCell(20))
        *uniform, bias = model.weights()
        self.assertEqual(bias.abs().max().item(), 0)
        for weight in uniform:
            self.assertTrue(0.039 < weight.abs().max().item() <= 0.04)
        self.assertTrue(0.0008 < model.alpha.std().item() < 0.0012)

    def check_cell(self, model, step):
        (tokens, _), hidden = batch()
        chosen = masks()
        output = model(tokens, hidden, chosen)
        embedded = (model.encoder.weight * chosen.e)[tokens] * chosen.i
        h = hidden.tolist()
        for time in range(T):
            h = step(embedded[time].tolist(), h, Masks(*(mask.tolist() for mask in chosen)))
            torch.testing.assert_close(output.raw[time], torch.tensor(h), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(output.hidden, output.raw[-1], rtol=0, atol=0)
        torch.testing.assert_close(output.dropped, output.raw * chosen.output, rtol=0, atol=0)
        logits = output.dropped @ model.encoder.weight.T + model.decoder.bias
        expected = logits - logits.exp().sum(-1, keepdim=True).log()
        torch.testing.assert_close(output.log_probabilities, expected, rtol=1e-12, atol=1e-13)

    def test_derived_cells(self):
        for name in GENOTYPES:
            for tuned in (False, True):
                model = derived_model(name, tuned)
                self.check_cell(model, lambda *given: derived_step(model.rnns[0], *given))

    def test_search_cell(self):
        for tuned in (False, True):
            model, statistics = search_model(tuned), Statistics()
            self.check_cell(model, lambda *given: search_step(model.rnns[0], statistics, *given))
            torch.testing.assert_close(model.rnns[0].bn.running_mean, torch.tensor(statistics.mean))
            torch.testing.assert_close(model.rnns[0].bn.running_var, torch.tensor(statistics.variance))
            self.assertEqual(model.rnns[0].bn.num_batches_tracked.item(), 9 * T)

    def test_one_column_is_refused(self):
        tokens = torch.zeros(2, 1, dtype=torch.long)
        with self.assertRaises(ValueError):
            search_model()(tokens, torch.zeros(1, N))

    def test_masks(self):
        torch.manual_seed(0)
        drawn = draw_masks(Dropouts(0.2, 0.3, 0.4, 0.25, 0.5), 2000, 30, torch.empty(100))
        for mask, shape, probability in zip(drawn, mask_shapes(2000, 30, 100), (0.2, 0.3, 0.4, 0.25, 0.5)):
            self.assertEqual(tuple(mask.shape), shape)
            keep = 1 - probability
            kept = mask > 0
            torch.testing.assert_close(mask[kept], torch.full((kept.sum(),), 1 / keep))
            self.assertAlmostEqual(kept.double().mean().item(), keep, delta=0.05)
        self.assertEqual(draw_masks(Dropouts(), 5, 2, torch.empty(3)), Masks())

    def test_losses(self):
        model = derived_model()
        (tokens, targets), hidden = batch()
        output = model(tokens, hidden, masks())
        nll = entropy(output, targets)
        places = [(time, column) for time in range(T) for column in range(B)]
        expected = -sum(output.log_probabilities[time, column, targets[time * B + column]] for time, column in places) / (T * B)
        torch.testing.assert_close(nll, expected)
        slow = sum((output.raw[time] - output.raw[time - 1]).square().sum() for time in range(1, T)) / ((T - 1) * B * N)
        active = output.dropped.square().sum() / (T * B * N)
        torch.testing.assert_close(regularised(nll, output, 0.7, 0.3), nll + 0.7 * active + 0.3 * slow)
        torch.testing.assert_close(regularised(nll, output, 0, 0.3), nll + 0.3 * slow)

    def test_gradients(self):
        """By finite differences, both ways through the tied matrix."""
        (tokens, targets), hidden = batch(steps=2)
        chosen = masks()
        for model in (derived_model(), search_model()):
            names = [name for name, _ in model.named_parameters()]
            searched = isinstance(model.rnns[0], SearchCell)

            def loss(*given):
                values = dict(zip(names, given))
                if searched:
                    model.rnns[0].alpha = given[-1]
                output = torch.func.functional_call(model, values, (tokens, hidden, chosen), tie_weights=True)
                return regularised(entropy(output, targets), output, 0.7, 0.3)

            given = [weight.detach().clone().requires_grad_() for weight in model.weights()]
            given += [model.alpha.detach().clone().requires_grad_()] if searched else []
            self.assertTrue(torch.autograd.gradcheck(loss, given, rtol=1e-5, atol=1e-7, fast_mode=True))


class Trainings(unittest.TestCase):
    def steps(self, settings, averaged):
        """Five steps of different lengths: rates, gradients as they were applied, and weights after each."""
        model = derived_model()
        training = Training(model, settings, averaged)
        training.begin_epoch(B)
        rates, gradients, weights, averages = [], [], [model.encoder.weight.detach().clone()], []
        for step, length in enumerate((4, 2, 3, 5, 2)):
            given, _ = batch(step, length)
            training.step([given], [masks(step)], length)
            rates.append(settings.lr * length / settings.bptt)
            gradients.append(model.encoder.weight.grad.clone())
            weights.append(model.encoder.weight.detach().clone())
            if averaged:
                averages.append(training.averages()[0].clone())
        return rates, gradients, weights, averages

    settings = Settings(lr=0.5, bptt=4, wdecay=0.01)

    def check_steps(self, rates, gradients, weights):
        for rate, gradient, before, after in zip(rates, gradients, weights, weights[1:]):
            torch.testing.assert_close(after, before - rate * (gradient + 0.01 * before), rtol=1e-12, atol=1e-14)

    def test_sgd(self):
        rates, gradients, weights, _ = self.steps(self.settings, averaged=False)
        self.check_steps(rates, gradients, weights)

    def test_averaged_sgd(self):
        rates, gradients, weights, averages = self.steps(self.settings, averaged=True)
        self.check_steps([rates[0], *rates[:-1]], gradients, weights)
        torch.testing.assert_close(averages[0], weights[1], rtol=0, atol=0)
        for step in range(1, 5):
            torch.testing.assert_close(averages[step], torch.stack(weights[2 : step + 2]).mean(0), rtol=1e-12, atol=1e-14)

    def test_averaged_sgd_with_current_rates(self):
        rates, gradients, weights, _ = self.steps(self.settings._replace(current_rate=True), averaged=True)
        self.check_steps(rates, gradients, weights)

    def test_clipping(self):
        model = derived_model()
        for clip, scaled in ((0.1, True), (100.0, False)):
            training = Training(model, self.settings._replace(clip=clip))
            training.begin_epoch(B)
            given, _ = batch()
            hidden = training.hidden[0]
            output = model(given.tokens, hidden, masks())
            loss = regularised(entropy(output, given.targets), output, 0, 1e-3)
            gradients = torch.autograd.grad(loss, model.weights())
            norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
            _, how = training.step([given], [masks()], 4)
            self.assertAlmostEqual(how.coefficient.item(), clip / (norm + 1e-6), places=12)
            for weight, gradient in zip(model.weights(), gradients):
                factor = how.coefficient if scaled else 1
                torch.testing.assert_close(weight.grad, factor * gradient, rtol=1e-12, atol=0)

    def test_groups(self):
        """Without masks and regularisers, columns in two groups are columns in one."""
        given = Settings(lr=0.5, bptt=4, beta=0.0)
        text = batched(torch.arange(60) % V, 4)
        models = []
        for groups in (1, 2):
            model = derived_model()
            training = Training(model, given)
            training.begin_epoch(4, groups)
            for row in (0, 4, 8):
                training.step(batches_at(text, row, 4, groups), [Masks()] * groups, 4)
            models.append(model)
        for one, two in zip(*(model.weights() for model in models)):
            torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)

    def test_batches(self):
        text = batched(torch.arange(23), 3)
        self.assertEqual(text.tolist(), [[row, 7 + row, 14 + row] for row in range(7)])
        (given,) = batches_at(text, 4, 5)
        self.assertEqual(given.tokens.tolist(), text[4:6].tolist())
        self.assertEqual(given.targets.tolist(), [5, 12, 19, 6, 13, 20])

    def test_score(self):
        model = derived_model()
        text = batched(torch.arange(40) * 5 % V, 2)
        (whole,) = batches_at(text, 0, 100)
        exact = entropy(model(whole.tokens, torch.zeros(2, N)), whole.targets).item()
        for bptt in (3, 19, 40):
            found = score(model, text, bptt)
            self.assertAlmostEqual(found.exact, exact, places=12)
            self.assertAlmostEqual(found.published, exact * 19 / 20, places=12)


class Searches(unittest.TestCase):
    settings = Settings(lr=0.5, bptt=3, wdecay=0.01)

    def parts(self, model, settings, chosen=None):
        train, hidden = batch(5)
        validation, validation_hidden = batch(6, 2)
        return hypergradient(model, train, hidden, validation, validation_hidden, chosen or step_masks(), 0.5, settings)

    def test_what_stays(self):
        model = search_model()
        before = [weight.detach().clone() for weight in model.weights()]
        self.parts(model, self.settings)
        for weight, kept in zip(model.weights(), before):
            self.assertTrue(torch.equal(weight, kept))
        # At w, w + εv and w - εv; the pass at w' is a copy's.
        self.assertEqual(model.rnns[0].bn.num_batches_tracked.item(), 3 * 9 * T)

    def test_unrolled_weights(self):
        model = search_model()
        train, hidden = batch(5)
        gradients = torch.autograd.grad(entropy(model(train.tokens, hidden, step_masks().unrolled), train.targets), model.weights())
        norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
        factor = min(1, 0.25 / (norm + 1e-6))
        for repaired in (False, True):
            parts = self.parts(model, self.settings._replace(new_embedding=repaired))
            self.assertNotEqual(parts.unrolled[0].data_ptr(), model.encoder.weight.data_ptr())
            self.assertAlmostEqual(parts.clipping.norm.item(), norm, places=12)
            for index, (weight, gradient, moved) in enumerate(zip(model.weights(), gradients, parts.unrolled)):
                expected = weight - 0.5 * (factor * gradient + 0.01 * weight)
                torch.testing.assert_close(moved, weight if index == 0 and not repaired else expected, rtol=1e-12, atol=1e-14)

    def test_implicit_term(self):
        """With one mask for both sides and a small radius it is nearly the mixed second derivative times v, which autograd knows."""
        model = search_model()
        chosen = step_masks()
        for clamped in (False, True):
            settings = self.settings._replace(same_masks=True, clip=5.0, clamped=clamped)
            with mock.patch("language_search.RADIUS", 1e-6):
                parts = self.parts(model, settings, chosen)
            coefficient = 1 if clamped else parts.clipping.coefficient.item()
            self.assertGreater(parts.clipping.coefficient.item(), 1)
            train, hidden = batch(5)
            nll = entropy(model(train.tokens, hidden, chosen.plus), train.targets)
            gradients = torch.autograd.grad(nll, model.weights(), create_graph=True)
            (exact,) = torch.autograd.grad(sum((g * v).sum() for g, v in zip(gradients, parts.direction)), model.alpha)
            torch.testing.assert_close(parts.implicit, 0.5 * coefficient * exact, rtol=1e-5, atol=1e-7)
            torch.testing.assert_close(parts.alpha, parts.direct - parts.implicit)

    def test_masks_of_both_sides(self):
        model, chosen = search_model(), step_masks()
        repaired = self.parts(model, self.settings._replace(same_masks=True), chosen)
        given = self.parts(model, self.settings, chosen._replace(minus=chosen.plus))
        kept = self.parts(model, self.settings, chosen)
        torch.testing.assert_close(repaired.implicit, given.implicit, rtol=1e-9, atol=1e-12)
        self.assertFalse(torch.allclose(kept.minus, given.minus, rtol=0.01))
        norms = (parts.epsilon.item() * math.sqrt(sum(v.square().sum().item() for v in parts.direction)) for parts in (kept, given))
        for norm in norms:
            self.assertAlmostEqual(norm, 0.01, places=12)

    def take(self, settings, groups=1, rows=((0, 0, 3), (3, 0, 2))):
        """Steps at pairs of a training row and a number of wraps, with a length."""
        model = search_model()
        search = Search(model, settings)
        search.begin_epoch(4, groups)
        train, validation = batched(torch.arange(60) * 3 % V, 4), batched(torch.arange(40) * 5 % V, 4)
        for row, wraps, length in rows:
            given = [step_masks(row + group, 4 // groups) for group in range(groups)]
            batches = (batches_at(text, row, length, groups) for text in (train, validation))
            figures, how = search.step(*batches, given, length, wraps)
        return model, search, figures, how

    def test_first_order_step(self):
        model, search, (figures,), _ = self.take(self.settings, rows=((0, 0, 3),))
        start = search_model()
        validation = batches_at(batched(torch.arange(40) * 5 % V, 4), 0, 3)[0]
        nll = entropy(start(validation.tokens, torch.zeros(4, N), step_masks(0, 4).validation), validation.targets)
        (gradient,) = torch.autograd.grad(nll, start.alpha)
        torch.testing.assert_close(figures.architecture.gradient, gradient, rtol=1e-12, atol=1e-14)
        decayed = gradient + 1e-3 * start.alpha
        # Adam's first step.
        expected = start.alpha - 3e-3 * decayed / (decayed.abs() + 1e-8)
        torch.testing.assert_close(model.alpha, expected, rtol=1e-12, atol=1e-12)
        self.assertEqual(model.rnns[0].bn.num_batches_tracked.item(), 2 * 9 * 3)

    def test_groups(self):
        """The published gradient is the last group's, half of it for two groups; repaired, it is the mean of both."""
        kept, repaired = (self.take(self.settings._replace(add_groups=add), 2, ((0, 0, 3),)) for add in (False, True))
        train = batches_at(batched(torch.arange(60) * 3 % V, 4), 0, 3, 2)
        gradients = []
        model = search_model()
        for group, figures in enumerate(kept[2]):
            with torch.no_grad():
                model.alpha.copy_(figures.alpha)
            output = model(train[group].tokens, torch.zeros(2, N), step_masks(group, 2).weights)
            loss = regularised(entropy(output, train[group].targets), output, 0, 1e-3) / 2
            gradients.append(torch.autograd.grad(loss, model.weights()))
        for (_, _, _, how), parts in ((kept, gradients[1:]), (repaired, gradients)):
            norm = math.sqrt(sum(sum(pair).square().sum().item() for pair in zip(*parts)))
            self.assertAlmostEqual(how.norm.item(), norm, places=10)

    def test_wraps(self):
        self.assertEqual([validation_row(row, 9) for row in (0, 7, 8, 17)], [(0, 0), (7, 0), (0, 1), (1, 2)])
        rows = ((0, 0, 3), (3, 1, 2))
        kept, repaired = (self.take(self.settings._replace(zero_at_wrap=zero), rows=rows) for zero in (False, True))
        again = self.take(self.settings._replace(zero_at_wrap=True))
        self.assertFalse(torch.allclose(kept[1].hidden[0], repaired[1].hidden[0]))
        # Without a wrap nothing is repaired.
        torch.testing.assert_close(kept[1].hidden[0], again[1].hidden[0], rtol=0, atol=0)

    def test_tuned(self):
        """The published numbers."""
        for unrolled in (False, True):
            settings = self.settings._replace(unrolled=unrolled)
            found = []
            for tuned in (False, True):
                model = search_model(tuned)
                search = Search(model, settings, *([] if tuned else [every_gradient(model)]))
                search.begin_epoch(B)
                search.step([batch(1)[0]], [batch(2)[0]], [step_masks()], 3)
                found.append([model.alpha.detach(), *model.weights()])
            for published, tuned in zip(*found):
                torch.testing.assert_close(tuned, published, rtol=1e-9, atol=1e-11)

    def test_steps_that_are_timed(self):
        """Both forms draw the same masks and compute the same numbers."""
        for work in WORKS:
            published, tuned = ([step() for _ in range(3)] for step in (LanguageStep(form, work, 4, 6, 3, 11) for form in ("published", "tuned")))
            self.assertEqual(len(set(published)), 3)
            for one, other in zip(published, tuned):
                self.assertAlmostEqual(one, other, places=9, msg=work)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    unittest.main()
