"""One training step of a chain of separable convolutions in PyTorch: what a derived network mostly consists of."""

import torch
from torch import nn
from torch.nn import functional

from darts_supernet import depthwise_pointwise
from search_step import CLIP, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY


class Chain(nn.Module):
    """A convolution, then `layers` separable 3x3 convolutions with affine batch norms; images to logits."""

    def __init__(self, channels, layers, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.layers = nn.Sequential(*(layer for _ in range(2 * layers) for layer in depthwise_pointwise(channels, 3, 1, affine=True)))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images):
        return self.classifier(self.layers(self.stem(images)).mean(dim=(2, 3)))


class ChainStep:
    """A chain with its optimiser and a random batch; call it to take one step, which returns the training loss.

    `published` is contiguous NCHW, `tuned` channels last.
    """

    def __init__(self, form, work, batch, channels, layers, size=32, classes=10):
        torch.manual_seed(0)
        layout = torch.channels_last if form == "tuned" else torch.contiguous_format
        self.model = Chain(channels, layers, classes).to(memory_format=layout)
        self.images = torch.randn(batch, 3, size, size).contiguous(memory_format=layout)
        self.labels = torch.randint(classes, (batch,))
        self.sgd = torch.optim.SGD(self.model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY)

    def __call__(self):
        self.sgd.zero_grad()
        loss = functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.sgd.step()
        return loss.item()
