"""One step of DARTS for recurrent cells in PyTorch: of a search, first or second order, or of the training of DARTS_V2's cell; the published
dropouts are drawn anew for every pass."""

import torch

from execution import Execution, Recordable
from language_model import GENOTYPES, DerivedCell, Dropouts, LanguageModel, SearchCell, draw_masks
from language_search import Search, StepMasks
from language_training import Settings, Training, batched, batches_at

SEARCH_DROPOUTS = Dropouts(dropouti=0.2, dropoutx=0.75, dropouth=0.25, dropout=0.75)
TRAINING_DROPOUTS = SEARCH_DROPOUTS._replace(dropoute=0.1)
WORKS = ("language first order", "language second order", "language evaluation")


def every_gradient(model):
    """As the published code's backward(): all gradients are computed, asked for or not."""
    every = [model.alpha, *model.weights()]

    def differentiate(loss, parameters):
        found = dict(zip(map(id, every), torch.autograd.grad(loss, every)))
        return [found[id(parameter)] for parameter in parameters]

    return differentiate


class LanguageStep(Recordable):
    """A model with its optimisers and one random batch a text; call it to take one step, which returns the training batch's entropy.

    `published` computes as the published code does, `tuned` with the tuned cells and only those gradients that a step uses. Hidden states
    are carried from step to step. At the published rates float32's rounding grows a hundredfold a step of a search; in float64 the forms
    are the same to 1e-9 (rnn_test.py).
    """

    def __init__(self, form, work, batch, size, length, words, execution=Execution()):
        torch.manual_seed(0)
        self.execution, self.length, self.batch = execution, length, batch
        tuned, self.searches = form == "tuned", work != "language evaluation"
        with torch.device(execution.device):
            cell = SearchCell(size, tuned) if self.searches else DerivedCell(size, GENOTYPES["DARTS_V2"], tuned)
            self.model = LanguageModel(words, cell)
            text = batched(torch.randint(words, (2 * (length + 1) * batch,)), batch)
        # Both forms draw the same masks; a recorded graph takes random numbers from the default generator only.
        self.generator = None if execution.graphed else torch.Generator(execution.device).manual_seed(1)
        self.model.autocast = execution.autocast
        execution.compile(self.model.rnns)
        self.train, self.validation = (batches_at(text, row, length) for row in (0, length + 1))
        if self.searches:
            settings = Settings(bptt=length, unrolled=work == "language second order")
            differentiate = torch.autograd.grad if tuned else every_gradient(self.model)
            capturable = {"capturable": True} if execution.graphed else {}
            self.trainer = Search(self.model, settings, differentiate, **capturable)
        else:
            self.trainer = Training(self.model, Settings(bptt=length, wdecay=8e-7))
        self.trainer.begin_epoch(batch)

    def step(self):
        if not self.searches:
            (figures,), _ = self.trainer.step(self.train, [self.draw(TRAINING_DROPOUTS)], self.length)
            return figures.nll
        masks = StepMasks(*(self.draw(SEARCH_DROPOUTS) for _ in StepMasks._fields))
        (figures,), _ = self.trainer.step(self.train, self.validation, [masks], self.length)
        return figures.weights.nll

    def draw(self, dropouts):
        table = self.model.encoder.weight
        return draw_masks(dropouts, len(table), self.batch, table.detach(), self.generator)
