"""Named tensors in one file, both ways: the safetensors layout (header length, JSON header, data)."""

import json
import struct

import numpy

dtypes = {"F32": "<f4", "F64": "<f8"}


def read_tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[begin:end], dtype=dtypes[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_tensors(path, tensors, kind="F64"):
    header, chunks, offset = {}, [], 0
    for name, values in tensors.items():
        chunk = numpy.asarray(values, dtype=dtypes[kind])
        header[name] = {"dtype": kind, "shape": chunk.shape, "data_offsets": [offset, offset + chunk.nbytes]}
        chunks.append(chunk.tobytes())
        offset += chunk.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
