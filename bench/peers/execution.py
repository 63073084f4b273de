"""Where and how PyTorch executes a step."""

import contextlib
from typing import NamedTuple

import torch


class Execution(NamedTuple):
    """`precision` is that of products: fp32, tf32, or bf16 by autocast. `compiled` compiles each cell, `graphed` records
    the whole step once as a CUDA graph and replays it."""

    device: str = "cpu"
    precision: str = "fp32"
    compiled: bool = False
    graphed: bool = False

    def prepare(self):
        """Sets what PyTorch keeps for the whole process, so before every step."""
        if self.device == "cpu":
            return
        torch.backends.cuda.matmul.allow_tf32 = self.precision != "fp32"
        torch.backends.cudnn.allow_tf32 = self.precision != "fp32"
        torch.backends.cudnn.benchmark = True

    def autocast(self):
        if self.precision != "bf16":
            return contextlib.nullcontext()
        # Without the cache of rounded weights: a recorded graph would keep the first step's.
        return torch.autocast(self.device, torch.bfloat16, cache_enabled=False)

    def compile(self, modules):
        """Compiles modules in place where that was asked for; equal ones share their code."""
        if not self.compiled:
            return
        # One code object serves cells of every size and kind.
        torch._dynamo.config.cache_size_limit = 64
        for module in modules:
            module.compile()


class Recordable:
    """A step that `execution` may record once and replay; `step` takes it and gives its loss."""

    graph = None

    def __call__(self):
        self.execution.prepare()
        if not self.execution.graphed:
            return self.step().item()
        if self.graph is None:
            self.graph, self.loss = record(self.step)
        self.graph.replay()
        return self.loss.item()


def record(step):
    """A CUDA graph of a step, which is taken some times before, and what the step returns; replays refresh it in place."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    return graph, result
