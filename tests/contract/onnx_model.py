"""A transformer's folder with the local model's vectors inside, for fastembed to load.

The network looks up a vector for each word piece; fastembed's own tokenizing, pooling and normalising do
the rest, as for any model. The file is ONNX's protobuf (onnx.proto, IR version 8), written field by field
because the package `onnx` is otherwise not needed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""The name it goes by: a model of 384 dimensions whose vectors are pooled by their mean."""
_DIMENSIONS = 384
_FLOAT, _INT64 = 1, 7


def write_model(folder: Path) -> None:
    """Writes the model's files into `folder` (about 50 MB)."""
    import wordllama  # late: it sets up the root logger

    package = Path(wordllama.__file__).parent
    source = wordllama.WordLlama.load(cache_dir=package, disable_download=True, dim=256)
    table = np.asarray(source.embedding, dtype="<f4")
    table = np.pad(table, ((0, 0), (0, _DIMENSIONS - table.shape[1])))
    (folder / "model.onnx").write_bytes(_model(table))
    source.tokenizer.save(str(folder / "tokenizer.json"))
    pad = "</s>"
    for name, content in {
        "config.json": {"pad_token_id": source.tokenizer.token_to_id(pad)},
        "tokenizer_config.json": {"model_max_length": 512, "pad_token": pad},
        "special_tokens_map.json": {"pad_token": pad},
    }.items():
        (folder / name).write_text(json.dumps(content))


def _model(table: np.ndarray) -> bytes:
    node = (
        _bytes(1, b"table") + _bytes(1, b"input_ids") + _bytes(2, b"last_hidden_state") + _bytes(4, b"Gather")
    )
    rows, columns = table.shape
    tensor = _number(1, rows) + _number(1, columns) + _number(2, _FLOAT) + _bytes(8, b"table")
    graph = (
        _bytes(1, node)
        + _bytes(2, b"lookup")
        + _bytes(5, tensor + _bytes(9, table.tobytes()))
        + _bytes(11, _value("input_ids", _INT64, "batch", "pieces"))
        + _bytes(11, _value("attention_mask", _INT64, "batch", "pieces"))
        + _bytes(12, _value("last_hidden_state", _FLOAT, "batch", "pieces", columns))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _value(name: str, element: int, *shape: str | int) -> bytes:
    sizes = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode())) for size in shape
    )
    tensor = _number(1, element) + _bytes(2, sizes)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
