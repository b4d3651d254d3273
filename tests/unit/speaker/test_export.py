from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.shared.errors import ConfigError, JobError
from scripts.speaker import export
from scripts.speaker.encoders.native import load_native
from scripts.speaker.encoders.onnx import OnnxEncoder
from scripts.speaker.export import cosine_distance, export_onnx

GOLDEN = Path("tests/data/golden/wespeaker")
FOLDERS = ("resnet34", "resnet34_two_emb", "simam_resnet34_asp", "ecapa_tdnn", "campplus", "eres2net")


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_export_embeds_like_its_net_at_every_length(folder: str, tmp_path: Path) -> None:
    out = tmp_path / "made/model.onnx"
    assert export_onnx(GOLDEN / folder, out) < 1e-8
    assert [file.name for file in out.parent.iterdir()] == ["model.onnx"]
    native = load_native(str(GOLDEN / folder), name="native", device="cpu", precision="float32")
    exported = OnnxEncoder(str(out), name="exported")
    for size in ((1, 10), (5, 77), (1, 301)):
        batch = np.random.default_rng(1).normal(scale=3, size=(*size, 80)).astype(np.float32)
        assert cosine_distance(exported.embed(batch), native.embed(batch)).max() < 1e-8


def test_two_exports_of_a_model_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        export_onnx(GOLDEN / "resnet34", tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_an_export_that_differs_from_its_net_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "model.onnx"
    out.write_bytes(b"an older one")
    true_write = export.write_onnx

    def write_other(net: torch.nn.Module, file: Path) -> None:
        other = export.load_net(GOLDEN / "resnet34")
        with torch.no_grad():
            other.conv1.weight[0] *= 1.1
        true_write(other, file)

    monkeypatch.setattr(export, "write_onnx", write_other)
    with pytest.raises(JobError, match=r"model\.onnx: not written: its embeddings are .* from those of .*resnet34"):
        export_onnx(GOLDEN / "resnet34", out)
    assert out.read_bytes() == b"an older one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_net_that_gives_no_numbers_is_not_exported(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((GOLDEN / "resnet34/config.yaml").read_bytes())
    tensors = torch.load(GOLDEN / "resnet34/avg_model.pt", weights_only=True)
    tensors["seg_1.bias"][0] = torch.nan
    torch.save(tensors, folder / "avg_model.pt")
    with pytest.raises(JobError, match="embeddings are nan"):
        export_onnx(folder, tmp_path / "model.onnx")


def test_what_is_no_model_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing: config\.yaml, avg_model\.pt"):
        export_onnx(tmp_path, tmp_path / "model.onnx")


def test_the_distance_of_vectors_in_one_direction_is_zero_and_of_opposite_ones_two() -> None:
    rows = np.array([[1, 2], [3, 1], [0, 0]], np.float32)
    assert cosine_distance(rows, rows * np.array([[2], [-1], [1]], np.float32)) == pytest.approx(
        [0, 2, np.nan], nan_ok=True
    )
