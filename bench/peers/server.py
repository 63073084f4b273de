"""Serves the PyTorch supernet, chain and evaluation network to bench/peers/torch.ts: one JSON request a line on stdin, one JSON answer a line on stdout.

A server and not a script, so that a driver can take turns with it (A B A B) while both sides stay warm.
"""

import ctypes
import gc
import json
import resource
import sys
import time

import numpy
import torch

from cdarts_step import JointStep
from darts_supernet import Supernet, multiply_accumulates
from execution import Execution
from fairdarts_step import FairStep
from language_step import WORKS, LanguageStep
from projected_supernet import ScorePass
from search_step import SearchStep, hypergradient
from stacnas_supernet import STAGES, StageStep
from tensor_file import read_tensors, write_tensors
from weight_step import WeightStep

steps = {}


def reset_peak():
    """Gives freed memory back to the system and makes it forget this process's peak, where it lets us."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except (AttributeError, OSError):
        pass


def peak_bytes():
    """Largest resident memory since reset_peak, PyTorch itself included."""
    try:
        with open("/proc/self/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["VmHWM"].split()[0]) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def time_step(form, work, batch, channels, layers, threads, size=32, inference=False, **options):
    """Seconds of one step (of `inference`: of the logits), and the peak memory of the setting's first one; `options` are Execution's.

    That first step meets cold memory, so its time is not one to report.
    """
    torch.set_num_threads(threads)
    execution = Execution(**options)
    sizes = (work, batch, channels, layers, size)
    key = (form, execution, inference, *sizes)
    first = key not in steps
    on_gpu = execution.device != "cpu"
    if first:
        # Other sizes come in turn, never again: what they hold must not count.
        for old in [old for old in steps if old[3:] != sizes]:
            del steps[old]
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        else:
            reset_peak()
        step = open_step(form, work, sizes[1:], execution)
    else:
        step = steps[key]["step"]
    start = time.perf_counter()
    loss = step.logits().sum().item() if inference else step()
    seconds = time.perf_counter() - start
    if first:
        # Only now: one that fails must not hold its memory.
        peak = torch.cuda.max_memory_allocated() if on_gpu else peak_bytes()
        steps[key] = {"step": step, "peak": peak}
    return {"seconds": seconds, "loss": loss, "peakBytes": steps[key]["peak"]}


def open_step(form, work, sizes, execution):
    if work in WORKS:
        # Batch, numbers of a state, time steps and words, in the places of images' sizes.
        return LanguageStep(form, work, *sizes, execution)
    if work == "fairdarts":
        return FairStep(form, *sizes, execution)
    if work == "cdarts":
        return JointStep(form, *sizes, execution)
    if work == "score":
        return ScorePass(form, *sizes, execution)
    if work in STAGES:
        return StageStep(form, work, *sizes, execution)
    return SearchStep(form, work, *sizes, execution) if "order" in work or work == "nasbench201" else WeightStep(form, work, *sizes)


def describe(channels, layers, classes, size, inputs):
    """Names of the weights in order, their number of elements, multiply-accumulates of one image's forward pass."""
    model = Supernet(channels, layers, classes, inputs)
    return {
        "names": [name for name, _ in model.named_weights()],
        "parameters": sum(weight.numel() for weight in model.weights()),
        "macs": multiply_accumulates(model, torch.zeros(1, inputs, size, size)),
    }


def batch_of(tensors, prefix, dtype):
    images = torch.from_numpy(tensors[f"{prefix}.images"].copy()).to(dtype)
    return images, torch.from_numpy(tensors[f"{prefix}.labels"].astype(numpy.int64))


def load(channels, layers, classes, inputs, dtype, tensors):
    """A supernet with the given weights and alphas (batch-norm buffers as new), and momentum buffers in weight order."""
    model = Supernet(channels, layers, classes, inputs).to(dtype)

    def given(name, like):
        if tensors[name].shape != tuple(like.shape):
            raise ValueError(f"expected shape {tuple(like.shape)} of {name} but got {tensors[name].shape}")
        return torch.from_numpy(tensors[name].copy()).to(dtype)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(given(name, parameter))
    return model, [given(f"momentum.{name}", weight) for name, weight in model.named_weights()]


def check(channels, layers, classes, inputs, dtype, input, output, learningRate, momentum, weightDecay):
    """Writes logits, gradients and buffers of a pass over the batch `train`, and the hypergradient with `validation`."""
    precision = getattr(torch, dtype)
    tensors = read_tensors(input)
    model, momenta = load(channels, layers, classes, inputs, precision, tensors)
    train, validation = batch_of(tensors, "train", precision), batch_of(tensors, "validation", precision)
    rates = (learningRate, momentum, weightDecay)
    unrolled_loss, unrolled = hypergradient(model, train, validation, momenta, *rates)
    model, _ = load(channels, layers, classes, inputs, precision, tensors)
    logits = model(train[0])
    loss = torch.nn.functional.cross_entropy(logits, train[1])
    loss.backward()
    results = {"logits": logits.detach().numpy()}
    results.update((f"gradient.{name}", parameter.grad.numpy()) for name, parameter in model.named_parameters())
    results.update((f"buffer.{name}", value.numpy()) for name, value in model.named_buffers() if value.ndim > 0)
    for name, value in zip(("alphas_normal", "alphas_reduce"), unrolled):
        results[f"hypergradient.{name}"] = value.numpy()
    write_tensors(output, results)
    return {"loss": loss.item(), "unrolledLoss": unrolled_loss.item()}


commands = {"time": time_step, "describe": describe, "check": check}


def answer(line):
    request = json.loads(line)
    try:
        return commands[request.pop("command")](**request)
    except Exception as error:  # whatever it was, the driver must hear of it and go on
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    for request_line in sys.stdin:
        print(json.dumps({**answer(request_line), "torch": torch.__version__}), flush=True)
