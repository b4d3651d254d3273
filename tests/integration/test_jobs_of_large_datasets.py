"""A shard's job on another machine reads the Snakefile once more, and must read no source list for that."""

from pathlib import Path

import yaml

from tests.snakemake_run import BIN, ROOT, clean_environment, run_imported

JOBS = {
    "clip4mc_frames": ("clip4mc", "frames"),
    "speaker_embed": ("speaker", "embeddings"),
    "pose_text_shard": ("pose", "text"),
}


def test_a_job_is_described_where_no_source_list_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"not loaded here")
    gone = str(tmp_path / "gone")
    datasets = {
        "clip4mc": {"pairs": f"{gone}.json", "clips_dir": gone},
        "speaker": {"input_dir": gone, "model_dir": str(tmp_path / "model")},
        "pose": {"captions": f"{gone}.txt", "checkpoints": "tiny"},
    }
    config: dict[str, object] = {system: {"datasets": {"big": dataset}} for system, dataset in datasets.items()}
    config["pose"] = {"motions": str(ROOT / "tests/data/demo/pose"), "datasets": {"big": datasets["pose"]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for system, stage in JOBS.values():
        plan = tmp_path / "work" / system / "big" / stage / "plan" / "00000.json"
        plan.parent.mkdir(parents=True)
        plan.touch()
    targets = [f"{rule}:dataset=big,shard=00000" for rule in JOBS]
    command = [str(BIN / "snakemake"), "-s", str(ROOT / "Snakefile"), "-c1", "--configfile", "config.yaml", "-n"]
    command += ["--mode", "remote", "--force", "--target-jobs", *targets, "--allowed-rules", *JOBS]
    ran = run_imported(command, tmp_path, clean_environment(), timeout_s=120)
    assert ran.code == 0, ran.text
    assert all(f"rule {rule}:" in ran.text for rule in JOBS), ran.text
