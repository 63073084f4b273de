"""Named tensors in one file, both ways: the safetensors layout (header length, JSON header, data), float64 only."""

import json
import struct

import numpy


def read_tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[begin:end], dtype="<f8").reshape(entry["shape"])
    return tensors


def write_tensors(path, tensors):
    header, chunks, offset = {}, [], 0
    for name, values in tensors.items():
        chunk = numpy.asarray(values, dtype="<f8")
        header[name] = {"dtype": "F64", "shape": chunk.shape, "data_offsets": [offset, offset + chunk.nbytes]}
        chunks.append(chunk.tobytes())
        offset += chunk.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
