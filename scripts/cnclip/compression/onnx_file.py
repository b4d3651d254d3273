"""ONNX files whose bytes tell of the model alone, weights beside them where one file cannot hold them."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx

EXTRA = ".extra_file"  # as the official deployment files have it
# A protobuf ends at 2 GiB; the rest is for the graph. ViT-H/14's pictures are 2.5 GB.
MOST_INSIDE = (2 << 30) - (64 << 20)


def write_model(model: onnx.ModelProto, file: Path, *, most_inside: int = MOST_INSIDE) -> None:
    """Write a model; one with more than `most_inside` bytes of weights gets them as `<file>.extra_file`.

    The same model gives the same bytes.
    """
    if weights_bytes(model) <= most_inside:
        file.write_bytes(model.SerializeToString(deterministic=True))
        return
    extra = file.with_name(file.name + EXTRA)
    extra.unlink(missing_ok=True)  # onnx appends to what is there
    beside = onnx.ModelProto()
    beside.CopyFrom(model)  # saving takes the weights out of it
    onnx.save_model(beside, file, save_as_external_data=True, location=extra.name, size_threshold=1024)


def weights_bytes(model: onnx.ModelProto) -> int:
    """Size of the weights of a model that is in memory."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def files_of(file: Path) -> list[Path]:
    """The file, and what lies beside it."""
    extra = file.with_name(file.name + EXTRA)
    return [file, extra] if extra.exists() else [file]


def forget_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out, in place, what an exporter notes about itself: source lines with paths of this machine, inner names.

    With them go the shapes it noted of inner values: quantisation infers them again and stops where the two differ.
    """
    del model.graph.value_info[:]
    model.doc_string = model.graph.doc_string = ""
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output)
    for part in parts:
        del part.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    return model


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Inside it the makers of ONNX files say nothing: each names every operator, and all that nobody here can mend."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
