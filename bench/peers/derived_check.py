"""One pass of a derived network on given weights: python3 derived_check.py REQUEST.json.

The request names a genotype, sizes, a file of weights and of a batch (both state dicts of torch.save), a dtype, and the file to
write: a state dict with `logits`, `test_logits` (with running statistics, before the pass), `loss`, `gradient.NAME` of every weight and
`buffer.NAME` of every running statistic, in the format asked for, with what wraps it.
"""

import json
import sys
from collections import OrderedDict

import torch

from derived_network import DerivedNetwork


def main(path):
    with open(path) as file:
        request = json.load(file)
    dtype = getattr(torch, request["dtype"])
    model = DerivedNetwork(request["genotype"], auxiliary=True, **request["sizes"])
    missing, unexpected = model.load_state_dict(torch.load(request["weights"]), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"weights do not fit: missing {missing}, unexpected {unexpected}")
    model = model.to(dtype)
    batch = torch.load(request["batch"])
    images, labels = batch["images"].to(dtype), batch["labels"].long()
    result = OrderedDict()
    model.eval()
    with torch.no_grad():
        result["test_logits"] = model(images)[0]
    model.train()
    outputs = {}
    hook = model.classifier.register_forward_hook(lambda *call: outputs.update(logits=call[2]))
    loss = model.loss(images, labels, request["smoothing"], request["auxiliary_weight"])
    hook.remove()
    loss.backward()
    result["logits"], result["loss"] = outputs["logits"].detach(), loss.detach()
    for name, parameter in model.named_parameters():
        result[f"gradient.{name}"] = parameter.grad
    for name, buffer in model.named_buffers():
        result[f"buffer.{name}"] = buffer
    if request["wrapped"]:
        result = {"epoch": 1, "state_dict": OrderedDict((f"module.{name}", x) for name, x in result.items())}
    torch.save(result, request["output"], _use_new_zipfile_serialization=request["zip"])


main(sys.argv[1])
