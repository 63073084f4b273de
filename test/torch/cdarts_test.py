"""The PyTorch model of CDARTS in bench/peers against what is known of the original: python3 cdarts_test.py."""

import json
import os
import sys
import unittest

import torch
from torch import nn
from torch.nn import functional

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../bench/peers"))
sys.dont_write_bytecode = True

from cdarts_authors import AuthorsCycle, Form, authors_decide, authors_distance, authors_pair, authors_text  # noqa: E402
from cdarts_nasbench201 import CELL_KEYS, PairedCycle, decide_cell, paired_networks, structure_text  # noqa: E402
from cdarts_networks import KEYS, OPERATIONS, RetrainedNetwork, SearchNetwork, share_modules  # noqa: E402
from cdarts_search import (  # noqa: E402
    Cycle,
    Settings,
    chosen,
    decide,
    distillation,
    draw_alphas,
    genotype_text,
    mixing,
    mutation_json,
    penalty,
    penalty_factor,
)
from cdarts_step import DECISION, TunedCycle, tables  # noqa: E402

SEP3, SKIP = 3, 2
DARTS_V2 = {
    "normal_n2_p0": SEP3,
    "normal_n2_p1": SEP3,
    "normal_n3_p0": SEP3,
    "normal_n3_p1": SEP3,
    "normal_n4_p0": SKIP,
    "normal_n4_p1": SEP3,
    "normal_n5_p0": SKIP,
    "normal_n5_p2": 5,
    "reduce_n2_p0": 0,
    "reduce_n2_p1": 0,
    "reduce_n3_p1": 0,
    "reduce_n3_p2": SKIP,
    "reduce_n4_p0": 0,
    "reduce_n4_p2": SKIP,
    "reduce_n5_p1": 0,
    "reduce_n5_p2": SKIP,
}


def size_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


def pair(shared, settings, make=Cycle):
    """A small cycle in float64."""
    torch.manual_seed(1)
    networks = [SearchNetwork(2, layers).double() for layers in (3, 4)]
    if shared:
        share_modules(*networks)
    alphas = {name: nn.Parameter(row.detach().double()) for name, row in draw_alphas().items()}
    return make(*networks, tables(alphas) if make is TunedCycle else alphas, settings)


def batches(count):
    generator = torch.Generator().manual_seed(2)
    return [
        (torch.randn(2, 3, 32, 32, generator=generator, dtype=torch.float64), torch.randint(10, (2,), generator=generator))
        for _ in range(count)
    ]


def copies(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


class Networks(unittest.TestCase):
    def test_sizes(self):
        search, evaluation = SearchNetwork(), SearchNetwork(layers=20)
        self.assertEqual(size_of(search), 2_779_121)
        self.assertEqual(size_of(evaluation), 5_397_233)
        for network in (search, evaluation):
            self.assertEqual(size_of(network.aux_head), 850_964)
        self.assertEqual(list(search.aux_head), ["2", "5"])
        self.assertEqual(list(evaluation.aux_head), ["6", "13"])

    def test_retrained_sizes(self):
        for decision, size in ((DARTS_V2, 3_299_302), (DECISION, 3_801_502)):
            network = RetrainedNetwork(decision)
            self.assertEqual(list(network.aux_head), ["13"])
            self.assertEqual(size_of(network.aux_head), 476_426)
            self.assertEqual(size_of(network), size + 476_426)

    def test_names(self):
        network = SearchNetwork(2, 3)
        names = list(network.state_dict())
        tops = list(dict.fromkeys(name.split(".")[0] for name in names))
        self.assertEqual(tops, ["ensemble_param", "aux_head", "stem", "cells", "linear"])
        affine = {name for name, _ in network.named_parameters() if name.endswith("bias")}
        heads = {f"aux_head.{cell}.classifier.bias" for cell in (1, 2)}
        self.assertEqual(affine, heads | {"stem.1.bias", "linear.bias"})
        statistics = [name[: -len(".running_var")] for name in names if name.endswith("running_var")]
        self.assertEqual([name for name in statistics if "aux" in name], [f"aux_head.{i}.features.{j}" for i in (1, 2) for j in (3, 6)])
        strided = [name for name in names if name.startswith("cells.1.mutable_ops.0.ops.1.2.") and name.endswith("weight")]
        self.assertEqual(strided, [f"cells.1.mutable_ops.0.ops.1.2.conv{i}.weight" for i in (1, 2)])
        separable = [name for name in names if name.startswith("cells.0.mutable_ops.3.ops.4.4.") and name.endswith("weight")]
        self.assertEqual(separable, [f"cells.0.mutable_ops.3.ops.4.4.net.{i}.net.{j}.weight" for i in (0, 1) for j in (1, 2)])
        for name in ("cells.0.preproc0.net.1.weight", "cells.2.preproc0.conv2.weight", "cells.2.preproc0.bn.running_mean"):
            self.assertIn(name, names)
        self.assertFalse(any(f".ops.{edge}.{pool}." in name for name in names for edge in range(5) for pool in (0, 1)))
        retrained = list(RetrainedNetwork(DECISION, 4, 4).state_dict())
        self.assertIn("cells.1.mutable_ops.1.ops.2.net.3.running_mean", retrained)
        self.assertIn("aux_head.2.features.3.weight", retrained)
        self.assertNotIn("ensemble_param", retrained)

    def test_heads(self):
        network = SearchNetwork()
        for place, channels, side, before_mean in (("2", 128, 16, 5), ("5", 256, 8, 1)):
            features = network.aux_head[place].features(torch.randn(2, channels, side, side))
            self.assertEqual(tuple(features.shape), (2, 768, before_mean, before_mean))

    def test_a_batch_too_small(self):
        network = SearchNetwork(2, 3)
        with self.assertRaisesRegex(ValueError, "more than 1 value per channel"):
            network(torch.randn(1, 3, 32, 32), mixing(draw_alphas()))

    def test_edges(self):
        """A decision runs what it keeps alone, and a mixed edge is the weighted sum."""
        network = SearchNetwork(2, 3).double().eval()
        node = network.cells[0].mutable_ops[0]
        states = [torch.randn(2, 2, 8, 8, dtype=torch.float64) for _ in range(2)]
        decided = node(states, chosen({"normal_n2_p1": 5}))
        self.assertTrue(torch.equal(decided, node.ops[1][5](states[1])))
        alphas = {name: torch.randn(8, dtype=torch.float64) for name in KEYS}
        alphas["normal_n2_p0"][4] = -torch.inf
        parts = mixing(alphas)
        self.assertEqual([index for index, _ in parts["normal_n2_p0"]], [0, 1, 2, 3, 5, 6])
        terms = [alphas[f"normal_n2_p{edge}"].softmax(0)[i] * node.ops[edge][i](states[edge]) for edge in range(2) for i in range(7)]
        torch.testing.assert_close(node(states, parts), sum(terms))

    def test_dropped_paths(self):
        """Skips lose samples too; what is kept is larger."""
        torch.manual_seed(3)
        node = RetrainedNetwork({**DECISION, "normal_n2_p0": SKIP}, 4, 4).cells[0].mutable_ops[0]
        x = torch.ones(2000, 1, 1, 1)
        dropped = node.dropped(x, 0.25).flatten()
        self.assertEqual(sorted(set(dropped.tolist())), [0.0, torch.tensor(1 / 0.75).item()])
        self.assertAlmostEqual((dropped == 0).double().mean().item(), 0.25, delta=0.04)
        self.assertTrue(torch.equal(node.eval().dropped(x, 0.25), x))


class Losses(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(4)
        self.student, self.teacher = (torch.randn(6, 5, dtype=torch.float64).mul(3).requires_grad_() for _ in range(2))

    def test_kl(self):
        temperature = 2.5
        p, q = ((logits / temperature).softmax(1).detach() for logits in (self.student, self.teacher))
        h = q.log() - p.log()
        distance = distillation(self.student, self.teacher, "kl", temperature)
        self.assertAlmostEqual(distance.item(), (q * h).sum().item() / 30, places=12)
        distance.backward()
        torch.testing.assert_close(self.student.grad, (p - q) / (temperature * 30))
        torch.testing.assert_close(self.teacher.grad, q * (h - (q * h).sum(1, keepdim=True)) / (temperature * 30))

    def test_smooth_l1(self):
        d = (self.student - self.teacher).detach()
        distance = distillation(self.student, self.teacher, "smoothl1", 2.5)
        self.assertAlmostEqual(distance.item(), torch.where(d.abs() < 1, d * d / 2, d.abs() - 0.5).sum().item() / 30, places=12)
        distance.backward()
        torch.testing.assert_close(self.student.grad, d.clamp(-1, 1) / 30)
        torch.testing.assert_close(self.teacher.grad, -self.student.grad)

    def test_ensemble(self):
        network = SearchNetwork(2, 3)
        self.assertTrue(((network.ensemble_param >= 0) & (network.ensemble_param < 1 / 3)).all())
        outputs = [torch.randn(4, 10) for _ in range(3)]
        weights = network.ensemble_param.softmax(0)
        rows = [row * weight for output, weight in zip(outputs, weights) for row in output]
        torch.testing.assert_close(network.ensemble(outputs), torch.stack(rows))

    def test_penalty(self):
        """Of every regularised logit once, by its sign; not of cut ones, nor of 0."""
        alphas = {name: torch.full((8,), -2.0, requires_grad=True) for name in KEYS}
        penalty(alphas).backward()
        counts = {cell: sum((row.grad != 0).sum().item() for name, row in alphas.items() if cell in name) for cell in ("normal", "reduce")}
        self.assertEqual(counts, {"normal": 70, "reduce": 32 + 30})
        self.assertEqual(alphas["normal_n4_p0"].grad.tolist(), [-1, -1, -1, 0, 0, -1, -1, 0])
        self.assertEqual(alphas["reduce_n4_p1"].grad.tolist(), [-1, -1, 0, 0, 0, -1, -1, 0])
        self.assertEqual(alphas["reduce_n4_p2"].grad.tolist(), [-1, -1, -1, 0, 0, -1, -1, 0])
        self.assertEqual(penalty(alphas).item(), 2 * 132)
        for row in alphas.values():
            row.grad = None
        with torch.no_grad():
            alphas["normal_n2_p0"][0], alphas["normal_n2_p0"][1] = -torch.inf, 0
        penalty(alphas).backward()
        self.assertEqual(penalty(alphas).item(), 2 * 130)
        self.assertEqual(alphas["normal_n2_p0"].grad.tolist(), [0, 0, -1, 0, 0, -1, -1, 0])

    def test_penalty_factor(self):
        factors = [penalty_factor(Settings(), epoch) for epoch in range(2, 32)]
        for epoch, factor in enumerate(factors, start=2):
            self.assertAlmostEqual(factor, max(5 - (epoch - 2) * 5 / 6, 0))
        self.assertEqual(factors[8 - 2 :], [0] * 24)
        self.assertGreater(factors[7 - 2], 0)


class Decisions(unittest.TestCase):
    def test_rule(self):
        alphas = {name: torch.zeros(8) for name in KEYS}
        for name, index, value in (("n4_p1", 6, 2.0), ("n4_p3", 1, 3.0), ("n4_p0", 7, 9.0), ("n5_p4", 5, 1.0)):
            alphas[f"normal_{name}"][index] = value
        decision = decide(alphas)
        # All alike: lower inputs and candidates. A large logit of no operation makes its edge small.
        self.assertEqual({name: index for name, index in decision.items() if name.startswith("normal_n3")}, {"normal_n3_p0": 0, "normal_n3_p1": 0})
        self.assertEqual({name: index for name, index in decision.items() if name.startswith("normal_n4")}, {"normal_n4_p1": 6, "normal_n4_p3": 1})
        self.assertEqual({name: index for name, index in decision.items() if name.startswith("normal_n5")}, {"normal_n5_p0": 0, "normal_n5_p4": 5})
        self.assertEqual(len(decision), 16)

    def test_files(self):
        text = mutation_json(DECISION)
        self.assertTrue(text.startswith('{\n  "normal_n2_p0": [\n    false,\n    false,\n    false,\n    true,\n'))
        self.assertTrue(text.endswith('  "reduce_n5_switch": [\n    true,\n    false,\n    true,\n    false,\n    false\n  ]\n}'))
        masks = json.loads(text)
        self.assertEqual(len(masks), 36)
        self.assertEqual(list(masks), sorted(masks))
        self.assertEqual(sum(sum(mask) for name, mask in masks.items() if name.endswith("switch")), 16)
        self.assertEqual({name: mask.index(True) for name, mask in masks.items() if "_p" in name and any(mask)}, DECISION)
        self.assertEqual(
            genotype_text(DECISION),
            "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], "
            "[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('skip_connect', 0), ('skip_connect', 2)]], normal_concat=range(2, 6), "
            "reduce=[[('max_pool_3x3', 0), ('sep_conv_5x5', 1)], [('skip_connect', 0), ('dil_conv_5x5', 2)], "
            "[('sep_conv_3x3', 0), ('sep_conv_5x5', 1)], [('sep_conv_3x3', 0), ('dil_conv_5x5', 2)]], reduce_concat=range(2, 6))",
        )

    def test_alphas(self):
        alphas = draw_alphas()
        self.assertEqual(list(alphas)[:4] + list(alphas)[14:15], ["normal_n2_p0", "normal_n2_p1", "normal_n3_p0", "normal_n3_p1", "reduce_n2_p0"])
        self.assertAlmostEqual(torch.cat(list(alphas.values())).std().item(), 1e-3, delta=2e-4)
        self.assertEqual(len(OPERATIONS), 7)


class Cycles(unittest.TestCase):
    settings = Settings(w_lr=0.1, nasnet_lr=0.05, w_weight_decay=0.01, alpha_lr=0.01)

    def test_what_never_had_a_gradient_stays(self):
        cycle = pair(True, self.settings)
        search, evaluation = copies(cycle.search), copies(cycle.evaluation)
        (batch,) = batches(1)
        cycle.search_step(batch)
        for name, value in cycle.search.named_parameters():
            untouched = name.startswith(("aux_head", "ensemble"))
            self.assertEqual(torch.equal(value, search[name]), untouched, name)
        cycle.evaluation_step(batch, DECISION)
        for name, value in cycle.evaluation.named_parameters():
            if ".ops." in name:
                _, layer, _, node, _, state, index = name.split(".")[:7]
                kept = DECISION.get(f"{'reduce' if int(layer) in (1, 2) else 'normal'}_n{int(node) + 2}_p{state}") == int(index)
                self.assertEqual(torch.equal(value, evaluation[name]), not kept, name)

    def test_cleared_means_zero(self):
        """Chosen before and no longer: decay and momentum by hand."""
        cycle = pair(False, self.settings)
        first, second = batches(2)
        decisions = [{**DECISION, "normal_n2_p0": index} for index in (3, 6)]
        name = "cells.0.mutable_ops.0.ops.0.3.net.0.net.2.weight"
        weight = cycle.evaluation.get_parameter(name)
        before = weight.detach().clone()
        cycle.evaluation_step(first, decisions[0])
        rate, momentum, decay = self.settings.nasnet_lr, self.settings.w_momentum, self.settings.w_weight_decay
        velocity = (before - weight.detach()) / rate
        after = weight.detach().clone()
        cycle.evaluation_step(second, decisions[1])
        torch.testing.assert_close(weight.detach(), after - rate * (momentum * velocity + decay * after), rtol=1e-12, atol=1e-14)

    def test_ensemble_weights(self):
        """S's never learn, decay aside; E's do."""
        cycle = pair(True, self.settings)
        before = [network.ensemble_param.detach().clone() for network in (cycle.search, cycle.evaluation)]
        cycle.joint_step(*batches(2), DECISION, 2)
        decayed = before[0] * (1 - self.settings.w_lr * self.settings.w_weight_decay)
        torch.testing.assert_close(cycle.search.ensemble_param.detach(), decayed, rtol=1e-14, atol=0)
        undecayed = before[1] * (1 - self.settings.nasnet_lr * self.settings.w_weight_decay)
        self.assertGreater((cycle.evaluation.ensemble_param.detach() - undecayed).abs().max().item(), 1e-6)

    def test_fixed_heads(self):
        cycle = pair(False, self.settings._replace(fix_head=True))
        before = [copies(network.aux_head) for network in (cycle.search, cycle.evaluation)]
        ensemble = cycle.evaluation.ensemble_param.detach().clone()
        cycle.joint_step(*batches(2), DECISION, 2)
        for network, values in zip((cycle.search, cycle.evaluation), before):
            for name, value in network.aux_head.named_parameters():
                self.assertTrue(torch.equal(value, values[name]), name)
        self.assertFalse(torch.equal(cycle.evaluation.ensemble_param, ensemble))

    def test_statistics_move_in_order(self):
        """The stem's, which both networks share, by hand: S on validation, E on validation, S with E's new weights on training data."""
        cycle = pair(True, self.settings)
        train, validation = batches(2)
        norm, convolution = cycle.search.stem[1], cycle.search.stem[0]
        self.assertIs(cycle.evaluation.stem[1], norm)
        expected = norm.running_var.clone()
        for _ in range(2):
            expected = 0.9 * expected + 0.1 * convolution(validation[0]).detach().transpose(0, 1).flatten(1).var(1)
        stepped = []
        cycle.optimisers[cycle.evaluation].register_step_post_hook(lambda *_: stepped.append(convolution(train[0]).detach()))
        cycle.joint_step(train, validation, DECISION, 2)
        expected = 0.9 * expected + 0.1 * stepped[0].transpose(0, 1).flatten(1).var(1)
        torch.testing.assert_close(norm.running_var, expected, rtol=1e-12, atol=0)
        self.assertEqual(norm.num_batches_tracked.item(), 3)
        self.assertEqual(cycle.search.aux_head["1"].features[3].num_batches_tracked.item(), 3)

    def test_joint_loss(self):
        settings = self.settings._replace(loss_alpha=3.0, loss_T=1.5)
        cycle = pair(False, settings)
        _, (images, labels) = batches(2)
        figures = cycle.both((images, labels), DECISION, 3)
        student, teacher = cycle.search(images, mixing(cycle.alphas)), cycle.evaluation(images, chosen(DECISION))
        entropies = [functional.cross_entropy(outputs[2], labels) for outputs in (student, teacher)]
        distance = distillation(cycle.search.ensemble(student), cycle.evaluation.ensemble(teacher), "kl", 1.5)
        expected = sum(entropies) / 3 + 3 * 1.5**2 * distance + (5 - 5 / 6) * penalty(cycle.alphas)
        torch.testing.assert_close(figures["jointLoss"], expected, rtol=1e-12, atol=0)

    def test_the_tuned_cycle(self):
        """The published numbers, where no weight decays."""
        settings = self.settings._replace(w_weight_decay=0.0)
        cycles = [pair(True, settings, make) for make in (Cycle, TunedCycle)]
        train, validation, *_ = batches(2)
        for _ in range(3):
            figures = [cycle.joint_step(train, validation, DECISION, 2) for cycle in cycles]
            for name, value in figures[0].items():
                torch.testing.assert_close(figures[1][name], value, rtol=1e-8, atol=0, msg=name)
        for network in ("search", "evaluation"):
            published, tuned = (getattr(cycle, network).state_dict() for cycle in cycles)
            for name, value in published.items():
                torch.testing.assert_close(tuned[name], value, rtol=1e-6, atol=1e-8, msg=name)
        torch.testing.assert_close(torch.cat(list(cycles[1].alphas.values())), torch.stack(list(cycles[0].alphas.values())))


def alike():
    """How much edges count, all the same."""
    return {f"{cell}_n{node + 2}": nn.Parameter(torch.zeros(2 + node)) for cell in ("normal", "reduce") for node in range(4)}


class Authors(unittest.TestCase):
    def cycle(self, form=Form(), **changes):
        torch.manual_seed(5)
        pair = authors_pair(form, 2, (3, 4), 10)
        return AuthorsCycle(*pair, draw_alphas(), Settings()._replace(**changes), form, alike())

    def test_shared(self):
        cycle = self.cycle()
        self.assertIs(cycle.search.ensemble_param, cycle.evaluation.ensemble_param)
        self.assertIsNot(cycle.search.linear, cycle.evaluation.linear)
        self.assertEqual(tuple(cycle.search.stem[0].weight.shape), (6, 3, 3, 3))
        everything = cycle.everything()
        self.assertEqual(len(everything), len({id(parameter) for parameter in everything}))
        together = self.cycle(Form(share_fc=True, ensemble_param=False))
        self.assertIs(together.search.linear, together.evaluation.linear)
        optimised = {id(p) for optimiser in together.optimisers.values() for group in optimiser.param_groups for p in group["params"]}
        self.assertNotIn(id(together.search.ensemble_param), optimised)

    def test_nodes_are_means(self):
        cycle = self.cycle()
        means, sums = cycle.mixing(), mixing(cycle.alphas)
        for name, pairs in sums.items():
            edges = 2 + int(name.split("_")[1][1:]) - 2
            for (index, weight), (_, whole) in zip(means[name], pairs):
                torch.testing.assert_close(weight, whole / edges, msg=f"{name} {index}")

    def test_penalty(self):
        """Of 3 candidates on all 28 edges, each three times."""
        cycle = self.cycle()
        with torch.no_grad():
            for row in cycle.alphas.values():
                row.fill_(-2)
        self.assertEqual(cycle.penalty().item(), 3 * 3 * 28 * 2)

    def test_distances(self):
        student, teacher = (torch.randn(4, 5, dtype=torch.float64) for _ in range(2))
        dots = (student * teacher).sum(1) / (student.norm(dim=1) * teacher.norm(dim=1))
        torch.testing.assert_close(authors_distance(student, teacher, "cosine", 2.0), 1 - dots.mean())
        torch.testing.assert_close(authors_distance(student, teacher, "l2", 2.0), (student - teacher).square().mean())
        cycle = self.cycle(Form(ensemble_sum=True))
        outputs = [torch.randn(4, 10) for _ in range(3)]
        weights = cycle.search.ensemble_param.softmax(0)
        torch.testing.assert_close(cycle.search.ensemble(outputs), sum(w * o for w, o in zip(weights, outputs)))

    def test_decisions(self):
        """The best edge first; how much an edge counts decides with it."""
        alphas, betas = {name: torch.zeros(8) for name in KEYS}, alike()
        alphas["normal_n3_p2"][4] = 2
        self.assertEqual([name for name in authors_decide(alphas, betas) if "normal_n3" in name], ["normal_n3_p2", "normal_n3_p0"])
        with torch.no_grad():
            betas["normal_n3"][1] = 9
        decision = authors_decide(alphas, betas)
        self.assertEqual([name for name in decision if "normal_n3" in name], ["normal_n3_p1", "normal_n3_p2"])
        self.assertIn("[('max_pool_3x3', 1), ('sep_conv_5x5', 2)]", authors_text(decision))

    def test_clip(self):
        """One norm, of stale gradients too."""
        cycle = self.cycle(grad_clip=1e9)
        first, second = [(images.float(), labels) for images, labels in batches(2)]
        _, norm = cycle.search_step(first)
        stale = norm.item()
        _, norm = cycle.evaluation_step(second, DECISION)
        own = [p.grad for p in cycle.evaluation.parameters() if p.grad is not None]
        of_search = [p.grad for p in cycle.search.cells.parameters() if p.grad is not None] + [p.grad for p in cycle.search.linear.parameters()]
        self.assertAlmostEqual(norm.item(), torch.stack([g.norm() for g in own + of_search]).norm().item(), places=4)
        self.assertGreater(stale, 0)


class Cells(unittest.TestCase):
    """In the space of NAS-Bench-201."""

    def test_networks(self):
        search, evaluation = paired_networks(16, (5, 5), 10)
        self.assertEqual(list(search.aux_head), ["5", "11"])
        self.assertEqual(len(search.cells), 17)
        affine = [{name for name, _ in network.named_parameters() if "edges" in name and name.endswith("bias")} for network in (search, evaluation)]
        self.assertEqual([len(names) for names in affine], [0, 15 * 6 * 2])
        self.assertIs(search.ensemble_param, evaluation.ensemble_param)
        self.assertIsNot(search.classifier, evaluation.classifier)
        heads = [search.aux_head[name].features(torch.randn(2, channels, side, side)) for name, channels, side in (("5", 32, 16), ("11", 64, 8))]
        self.assertEqual([tuple(head.shape[1:]) for head in heads], [(768, 5, 5), (768, 1, 1)])

    def test_rules(self):
        alphas = {name: nn.Parameter(torch.zeros(5)) for name in CELL_KEYS}
        with torch.no_grad():
            for place, row in enumerate(alphas.values()):
                row[place % 5] = -3 if place == 0 else 1
        decision = decide_cell(alphas)
        self.assertEqual(structure_text(decision), "|skip_connect~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|")
        cycle = PairedCycle(*paired_networks(2, (1, 1), 10), alphas, Settings(), Form(), {})
        # Of none: -3, four of 0, and 1.
        self.assertAlmostEqual(cycle.penalty().item(), 4 / 6, places=6)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
