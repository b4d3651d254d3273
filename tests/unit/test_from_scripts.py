"""docs/from_scripts.md: whatever it sends a user to exists."""

import re
from typing import Any

import pytest

from scripts.shared.config import read_schema
from tests.snakemake_run import ROOT

PAGE = (ROOT / "docs" / "from_scripts.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]
FLAGS = {
    "--pairs-json", "--clips-dir", "--output-dir", "--num-workers", "--num-frames", "--frame-height", "--frame-width",
    "--split-mode", "--resume", "--checkpoint-file", "--max-samples", "--gpu-ids",
    "--input_dir", "--output_dir", "--model_dir", "--gpus", "--port", "--embeddings_dir", "--segment_size",
    "--boundary_window", "--use_gmm", "--gmm_components", "--debug",
    "--text_path", "--temp_dir", "--final_dir", "--gpu_id", "--batch_size", "--sequence_length", "--frame_index",
    "--time_steps", "--cfg",
    "--data_dir", "--splits", "--train-data", "--val-data", "--name", "--logs", "--reset-data-offset",
    "--reset-optimizer", "--clip-weight-path", "--bert-weight-path", "--vision-model", "--text-model", "--batch-size",
    "--accum-freq", "--gather-with-grad", "--max-epochs", "--lr", "--wd", "--warmup", "--precision", "--use-augment",
    "--grad-checkpointing", "--freeze-vision", "--context-length", "--valid-num-workers", "--valid-step-interval",
    "--valid-epoch-interval", "--save-step-frequency", "--save-epoch-frequency", "--distillation", "--kd_loss_weight",
    "--teacher-model-name", "--use-flash-attention", "--extract-image-feats", "--extract-text-feats", "--image-data",
    "--text-data", "--top-k", "--eval-batch-size", "--label-file", "--datapath", "--convert-text", "--convert-vision",
    "--save-onnx-path", "--save-tensorrt-path",
    "--data_path", "--num_train_epochs", "--per_device_train_batch_size", "--gradient_accumulation_steps",
    "--learning_rate", "--warmup_ratio", "--weight_decay", "--max_grad_norm", "--gradient_clip_val", "--save_steps",
    "--save_total_limit", "--resume_from_checkpoint", "--logging_steps", "--dataloader_num_workers", "--from_openai",
    "--evaluation_strategy", "--input",
}  # fmt: skip
SNAKEMAKE = re.compile(r"snakemake --profile (\w+) .*")


def has_key(dotted: str) -> bool:
    """Whether the schemas know a key such as `clip4mc.datasets.NAME.pairs`."""
    schema: Any = read_schema()
    for word in dotted.split("."):
        properties = schema.get("properties", {})
        schema = schema["additionalProperties"] if word == "NAME" else properties.get(word)
        if not schema:
            return False
    return True


def test_no_old_flag_is_left_out() -> None:
    named = {flag for row in ROWS for flag in re.findall(r"`(--[a-z_-]+)`", row[0])}
    assert named >= FLAGS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_what_took_the_place_of_a_flag_or_file_exists(row: list[str]) -> None:
    now = row[1]
    if now in ("now", "gone", "the same file", "the same files"):
        return
    (name,) = re.findall(r"`([^`]+)`", now)
    if name.startswith("make "):
        assert re.search(rf"^{name.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif profile := SNAKEMAKE.fullmatch(name):
        assert (ROOT / "profiles" / profile[1]).is_dir()
    elif name != "failures.csv":
        assert has_key(name), f"{name} is no key of the configuration"


def test_every_key_that_the_page_names_in_passing_is_in_the_schemas() -> None:
    named = set(re.findall(r"`((?:clip4mc|speaker|pose|cnclip|fgclip|search)\.[\w.]+)`", PAGE))
    assert named
    assert {name for name in named if not has_key(name)} == set()


def test_a_key_that_does_not_exist_is_seen() -> None:
    assert has_key("clip4mc.datasets.NAME.pairs")
    assert not has_key("clip4mc.frame_count")
    assert not has_key("clip4mc.datasets.NAME.frame_count")
