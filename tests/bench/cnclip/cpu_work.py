"""Work of the CPU, ours beside a plain way to do it, in one process of one thread; prints what each took as JSON.

python -m tests.bench.cnclip.cpu_work WORK FOLDER    one of `WORKS`; files are made in the folder
"""

import base64
import io
import itertools
import json
import pickle
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.cnclip.bench_cnclip_decoding_gpu import write_tsv

ROUNDS = 3
N_CHECKED, N_STORED, TEXTS_OF_A_PICTURE = 192, 1_500, 5
ARCHITECTURE, N_ENCODED = "ViT-B-32_RoBERTa-wwm-ext-base-chinese", 4
N_GALLERY, N_QUERIES, WIDTH, K = 100_000, 64, 512, 10

Way = Callable[[], object]


def taken(ways: Mapping[str, Way], rounds: int = ROUNDS) -> dict[str, float]:
    """Median CPU seconds of each way, in turn, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    return {name: statistics.median(each[1:]) for name, each in seconds.items()}


def check(folder: Path) -> dict[str, float]:
    """CPU seconds of a picture: checked as a worker process does, and opened in a plain loop."""
    from PIL import Image

    from scripts.cnclip.data.checking import check_lines

    tsv = folder / "x_imgs.tsv"
    tasks = [(str(tsv), task.offset, task.length) for task in write_tsv(tsv, N_CHECKED)]

    def plain() -> None:
        with tsv.open(encoding="ascii") as file:
            for line in file:
                _, text = line.rstrip("\n").split("\t")
                Image.open(io.BytesIO(base64.b64decode(text))).load()

    return {
        name: each / N_CHECKED for name, each in taken({"plain": plain, "ours": lambda: check_lines(tasks)}).items()
    }


def store(folder: Path) -> dict[str, float]:
    """CPU seconds of a picture with its pairs in LMDBs: ours, and the plan that upstream's script follows."""
    import lmdb

    from scripts.cnclip.data.lmdb_files import write_lmdb
    from scripts.cnclip.data.picture_list import PictureList, write_pictures
    from scripts.cnclip.data.texts import Text, text_row

    tsv, pictures, texts = folder / "x_imgs.tsv", folder / "x.npz", folder / "x.jsonl"
    tasks = write_tsv(tsv, N_STORED)
    listed = [np.array(column) for column in zip(*((t.image_id, t.offset, t.length) for t in tasks), strict=True)]
    write_pictures(pictures, PictureList(*listed), np.zeros((N_STORED, 20), np.uint8))
    rows = [Text(i, f"第{i}条说明", (i // TEXTS_OF_A_PICTURE,)) for i in range(TEXTS_OF_A_PICTURE * N_STORED)]
    texts.write_text("".join(map(text_row, rows)), encoding="utf-8")
    numbers = itertools.count()

    def plain() -> None:
        target = folder / f"plain{next(numbers)}"
        target.mkdir()
        with lmdb.open(str(target / "imgs"), map_size=1 << 40) as database, tsv.open(encoding="ascii") as file:
            transaction = database.begin(write=True)
            for number, line in enumerate(file, 1):
                image_id, text = line.rstrip("\n").split("\t")
                transaction.put(image_id.encode(), text.encode())
                if number % 1000 == 0:
                    transaction.commit()
                    transaction = database.begin(write=True)
            transaction.put(b"num_images", str(number).encode())
            transaction.commit()
        with lmdb.open(str(target / "pairs"), map_size=1 << 40) as database, texts.open(encoding="utf-8") as file:
            transaction, number = database.begin(write=True), 0
            for line in file:
                row = json.loads(line)
                for image_id in row["image_ids"]:
                    transaction.put(str(number).encode(), pickle.dumps((image_id, row["text_id"], row["text"])))
                    number += 1
                    if number % 5000 == 0:
                        transaction.commit()
                        transaction = database.begin(write=True)
            transaction.put(b"num_samples", str(number).encode())
            transaction.commit()

    def ours() -> None:
        write_lmdb(tsv, pictures, texts, folder / f"ours{next(numbers)}")

    return {name: each / N_STORED for name, each in taken({"plain": plain, "ours": ours}).items()}


def encode(folder: Path) -> dict[str, float]:
    """CPU seconds of a picture by torch and by ONNX Runtime in float32 and int8."""
    import onnx
    import onnxruntime as ort
    import torch

    from scripts.cnclip.compression.int8 import to_int8
    from scripts.cnclip.compression.onnx_export import export_tower
    from scripts.cnclip.compression.towers import ImageTower, towers
    from scripts.cnclip.model_files.architecture import random_model

    torch.set_num_threads(1)
    model: Any = random_model(ARCHITECTURE, 0)
    size = model.config.vision_config.image_size
    pixels = np.random.default_rng(0).normal(size=(N_ENCODED, 3, size, size)).astype(np.float32)
    exported = export_tower(towers(model)["img"], "img", pixels.shape[1:])
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = {}
    for name, proto in {"ONNX fp32": exported, "ONNX int8": to_int8(exported)}.items():
        onnx.save(proto, folder / "x.onnx")
        sessions[name] = ort.InferenceSession(folder / "x.onnx", options, providers=["CPUExecutionProvider"])
    tower = ImageTower(model)

    def by_torch() -> NDArray[np.float32]:
        with torch.inference_mode():
            features: NDArray[np.float32] = tower(torch.from_numpy(pixels)).numpy()
            return features

    def by_onnx(session: Any) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: pixels})[0]
        return features

    np.testing.assert_allclose(by_onnx(sessions["ONNX fp32"]), by_torch(), atol=1e-3)
    ways: dict[str, Way] = {"torch": by_torch}
    ways |= {name: lambda session=session: by_onnx(session) for name, session in sessions.items()}  # type: ignore[misc]
    return {name: each / N_ENCODED for name, each in taken(ways).items()}


def rank(_: Path) -> dict[str, float]:
    """CPU seconds of a query: the nearest by blocks, and by sorting all scores."""
    from scripts.cnclip.evaluation.ranking import top_k

    random = np.random.default_rng(0)

    def unit(n: int) -> NDArray[np.float32]:
        rows = random.normal(size=(n, WIDTH)).astype(np.float32)
        unit_rows: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit_rows

    gallery, queries = unit(N_GALLERY), unit(N_QUERIES)

    def plain() -> NDArray[np.int64]:
        return np.argsort(-(queries @ gallery.T), axis=1, kind="stable")[:, :K]

    def ours() -> NDArray[np.int64]:
        return top_k(queries, gallery, K)

    np.testing.assert_array_equal(ours(), plain())
    return {name: each / N_QUERIES for name, each in taken({"plain": plain, "ours": ours}).items()}


WORKS: dict[str, Callable[[Path], dict[str, float]]] = {"check": check, "store": store, "encode": encode, "rank": rank}


if __name__ == "__main__":
    print(json.dumps(WORKS[sys.argv[1]](Path(sys.argv[2]))))
