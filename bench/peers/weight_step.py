"""One training step of a network without architecture parameters in PyTorch: a chain of separable convolutions, or the published
evaluation network with its auxiliary head."""

import torch
from torch import nn
from torch.nn import functional

from darts_supernet import depthwise_pointwise
from derived_network import DerivedNetwork
from search_step import CLIP, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY


class Chain(nn.Module):
    """A convolution, then `layers` separable 3x3 convolutions with affine batch norms; images to logits."""

    def __init__(self, channels, layers, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.layers = nn.Sequential(*(layer for _ in range(2 * layers) for layer in depthwise_pointwise(channels, 3, 1, affine=True)))
        self.classifier = nn.Linear(channels, classes)

    def loss(self, images, labels):
        return functional.cross_entropy(self.classifier(self.layers(self.stem(images)).mean(dim=(2, 3))), labels)


def cell(*edges):
    """Two edges a node, four nodes, all of which are put out."""
    listed = [{"operation": operation, "input": state} for operation, state in edges]
    return {"nodes": [listed[i : i + 2] for i in range(0, 8, 2)], "concat": [2, 3, 4, 5]}


SEP, SKIP, POOL = "sep_conv_3x3", "skip_connect", "max_pool_3x3"
DARTS_V2 = {
    "normal": cell(
        (SEP, 0), (SEP, 1), (SEP, 0), (SEP, 1), (SEP, 1), (SKIP, 0), (SKIP, 0), ("dil_conv_3x3", 2)
    ),
    "reduce": cell((POOL, 0), (POOL, 1), (SKIP, 2), (POOL, 1), (POOL, 0), (SKIP, 2), (SKIP, 2), (POOL, 1)),
}


class WeightStep:
    """A network with its optimiser and a random batch; call it to take one step, which returns the training loss.

    `published` is contiguous NCHW, `tuned` channels last.
    """

    def __init__(self, form, work, batch, channels, layers, size=32, classes=10):
        torch.manual_seed(0)
        layout = torch.channels_last if form == "tuned" else torch.contiguous_format
        if work == "chain":
            model = Chain(channels, layers, classes)
        else:
            model = DerivedNetwork(DARTS_V2, channels, layers, classes, auxiliary=True, size=size)
        self.model = model.to(memory_format=layout)
        self.images = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
        self.labels = torch.randint(classes, (batch,))
        self.sgd = torch.optim.SGD(self.model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)

    def __call__(self):
        self.sgd.zero_grad()
        loss = self.model.loss(self.images, self.labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.sgd.step()
        return loss.item()

    def logits(self):
        """Of the batch, with running statistics."""
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.images)[0]
