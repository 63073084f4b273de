"""One pass of a network on given weights, and checkpoints of it: python3 checkpoint_check.py REQUEST.json.

The request names a network ("supernet" or "derived") and its arguments, a file of weights (a state dict of torch.save, or
safetensors) and of a batch, a dtype, arguments of the loss, and the files to write:
- `checkpoints`, by form: the weights as they were given, as PyTorch writes them;
- `output`: a state dict with `logits`, `test_logits` (with running statistics, before the pass), `loss`, `gradient.NAME` of every
  parameter and `buffer.NAME` of every running statistic.
"""

import json
import sys
from collections import OrderedDict

import torch

from darts_supernet import Supernet
from derived_network import DerivedNetwork
from tensor_file import read_tensors, write_tensors

networks = {"supernet": Supernet, "derived": DerivedNetwork}


def read_weights(path):
    if path.endswith(".safetensors"):
        return {name: torch.from_numpy(values.copy()) for name, values in read_tensors(path).items()}
    return torch.load(path)


def write_checkpoint(path, form, state):
    """As people save them: plain, in the format before PyTorch 1.6, from a data-parallel training with what surrounds it."""
    if form == "safetensors":
        kind = "F64" if state["classifier.weight"].dtype == torch.float64 else "F32"
        write_tensors(path, {name: values.numpy() for name, values in state.items()}, kind)
    elif form == "training":
        wrapped = OrderedDict((f"module.{name}", values) for name, values in state.items())
        torch.save({"epoch": 1, "state_dict": wrapped}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")


def run_pass(model, batch, dtype, loss_arguments):
    images, labels = batch["images"].to(dtype), batch["labels"].long()
    outputs = {}
    model.classifier.register_forward_hook(lambda *call: outputs.update(logits=call[2].detach()))
    model.eval()
    with torch.no_grad():
        model(images)
    result = OrderedDict(test_logits=outputs["logits"])
    model.train()
    loss = model.loss(images, labels, **loss_arguments)
    loss.backward()
    result.update(logits=outputs["logits"], loss=loss.detach())
    for name, parameter in model.named_parameters():
        result[f"gradient.{name}"] = parameter.grad
    for name, buffer in model.named_buffers():
        result[f"buffer.{name}"] = buffer
    return result


def main(path):
    with open(path) as file:
        request = json.load(file)
    dtype = getattr(torch, request["dtype"])
    model = networks[request["network"]](**request["arguments"])
    missing, unexpected = model.load_state_dict(read_weights(request["weights"]), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"weights do not fit: missing {missing}, unexpected {unexpected}")
    model = model.to(dtype)
    for form, checkpoint in request["checkpoints"].items():
        write_checkpoint(checkpoint, form, model.state_dict())
    torch.save(run_pass(model, torch.load(request["batch"]), dtype, request["loss"]), request["output"])


main(sys.argv[1])
