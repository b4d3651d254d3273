"""What `make doctor` finds, and that its text is fit for strangers."""

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from scripts.shared.config import read_config, read_schema
from scripts.upkeep import check_configuration, check_environment, doctor
from scripts.upkeep.check_configuration import check_paths, check_plans, configured_paths
from scripts.upkeep.check_environment import check_ffmpeg, check_gpus, check_libraries, check_packages, check_versions
from scripts.upkeep.findings import Finding, concealer
from scripts.upkeep.gpus import Gpu, Gpus
from scripts.upkeep.machine import read_machine


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration of two pairs, one clip that is there and one that is not; works in it."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"x")
    pairs = '[{"vid": "a", "transcript": "x", "clip_path": "a.mp4"}, {"vid": "b", "transcript": "y", "clip_path": "b"}]'
    (tmp_path / "pairs.json").write_text(pairs)
    monkeypatch.chdir(tmp_path)
    save({})
    return tmp_path


def save(options: dict[str, Any], **top: Any) -> None:
    dataset = {"pairs": "pairs.json", "clips_dir": "clips", **options}
    Path("config.yaml").write_text(yaml.safe_dump({**top, "clip4mc": {"datasets": {"train": dataset}}}))


def paths() -> dict[str, Finding]:
    findings = check_paths(read_config(Path("config.yaml")), read_schema())
    return {finding.what.partition(":")[0]: finding for finding in findings}


def plans() -> list[Finding]:
    return list(check_plans(read_config(Path("config.yaml"))))


def test_all_is_well_with_a_configuration_whose_paths_are_there(place: Path) -> None:
    assert {finding.level for finding in paths().values()} == {"ok"}
    assert set(paths()) == {
        "results_dir", "work_dir", "clip4mc.datasets.train.pairs", "clip4mc.datasets.train.clips_dir",
    }  # fmt: skip
    planned, disk = plans()
    assert planned.what == "clip4mc train, frames: 2 samples wanted, 2 to make"
    assert disk.level == "ok"
    assert not (place / "results").exists()
    assert not (place / "work").exists()


def test_a_file_or_folder_that_is_not_there_is_wrong_and_named_with_the_mend(place: Path) -> None:
    save({"clips_dir": "/mnt/clips", "pairs": "no.json", "tokenizer": "models/clip"})
    found = paths()
    assert (
        found["clip4mc.datasets.train.clips_dir"].what == "clip4mc.datasets.train.clips_dir: /mnt/clips: no such folder"
    )
    assert "mount the disk" in found["clip4mc.datasets.train.clips_dir"].mend
    assert found["clip4mc.datasets.train.pairs"].what.endswith("no.json: no such file")
    assert found["clip4mc.datasets.train.tokenizer"].what.endswith("models/clip: no such folder")
    assert {finding.level for name, finding in found.items() if name.startswith("clip4mc")} == {"WRONG"}


def test_a_file_in_place_of_a_folder_is_wrong(place: Path) -> None:
    save({"clips_dir": "pairs.json", "pairs": "clips"}, results_dir="pairs.json")
    found = paths()
    assert found["clip4mc.datasets.train.clips_dir"].what.endswith("pairs.json is no folder")
    assert found["clip4mc.datasets.train.pairs"].what.endswith("clips is no file")
    assert found["results_dir"].what.endswith("pairs.json is no folder")


def test_what_may_not_be_read_or_written_is_wrong(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, mode: int) -> bool:
        return Path(path).name != "clips" and not mode & os.W_OK

    monkeypatch.setattr(check_configuration.os, "access", refuse)
    found = paths()
    assert found["clip4mc.datasets.train.clips_dir"].what.endswith("clips cannot be read")
    assert found["clip4mc.datasets.train.pairs"].level == "ok"
    assert found["work_dir"].what.endswith("work cannot be written")


def test_every_option_that_names_a_path_says_so_in_its_schema() -> None:
    def walk(properties: dict[str, Any], prefix: str) -> None:
        for name, part in properties.items():
            others = part.get("additionalProperties")
            walk(part.get("properties", {}), f"{prefix}{name}.")
            if isinstance(others, dict):
                walk(others.get("properties", {}), f"{prefix}{name}.*.")
            if name.endswith(("_dir", "_csv", "_file", "_path", "_folder")):
                assert "path" in part, f"{prefix}{name}"
            if "path" in part:
                assert set(part["path"].split(" or ")) & {"file", "folder", "output"}, f"{prefix}{name}"

    walk(read_schema()["properties"], "")


def test_paths_are_found_at_any_depth_and_words_that_are_none_are_not() -> None:
    model = {"properties": {"weights": {"path": "file or folder or none"}, "name": {"type": "string"}}}
    schema = {
        "properties": {
            "models": {"type": "object", "additionalProperties": model},
            "data": {"type": "array", "items": {"path": "file"}},
        }
    }
    config = {
        "models": {"base": {"weights": "/models/a.pt", "name": "x"}, "tiny": {"weights": "none"}},
        "data": ["1.json", "2.json"],
    }
    assert list(configured_paths(config, schema)) == [
        ("models.base.weights", "/models/a.pt", "file or folder or none"),
        ("data", "1.json", "file"),
        ("data", "2.json", "file"),
    ]


def test_a_list_that_cannot_be_planned_is_wrong_in_the_planners_words(place: Path) -> None:
    (place / "pairs.json").write_text("[")
    assert [(finding.level, "pairs.json" in finding.what) for finding in plans()] == [("WRONG", True)]


def statvfs(*, free: int, files: int, free_files: int) -> SimpleNamespace:
    return SimpleNamespace(f_bavail=free, f_frsize=1, f_files=files, f_favail=free_files)


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        (statvfs(free=10**6, files=10**6, free_files=10**6), "1.0 MB free, about 3.9 MB needed"),
        (statvfs(free=10**9, files=100, free_files=7), "room for 7 more files (inodes), and 8 are needed"),
    ],
)
def test_a_disk_that_will_be_full_is_wrong(
    disk: SimpleNamespace, says: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_configuration.os, "statvfs", lambda _: disk)
    finding = plans()[-1]
    assert finding.level == "WRONG"
    assert says in finding.what


def test_a_file_system_without_a_limit_of_files_is_not_taken_for_a_full_one(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_configuration.os, "statvfs", lambda _: statvfs(free=10**9, files=0, free_files=0))
    assert plans()[-1].level == "ok"


def test_packages_are_compared_with_their_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements-base.txt").write_text("# the spine\none==1.0\ntwo==2.0\nthree==3.0\nfour==4.0\n")
    installed = {"one": "1.0+cpu", "two": "2.1", "four-gpu": "4.0"}
    monkeypatch.setattr(check_environment, "installed_version", installed.get)
    assert list(check_packages(["base", "unheard-of"], tmp_path)) == [
        Finding("WARNING", "package two is 2.1, tested was 2.0", "`make env` installs it"),
        Finding("WRONG", "package three is missing", "`make env` installs it"),
        Finding("ok", "packages of base: one 1.0+cpu, two 2.1, three -, four 4.0"),
    ]


def test_every_card_is_a_line_with_its_memory_and_codecs() -> None:
    hot = Gpu(1, "NVIDIA L4", memory_total=24_000_000_000, temperature_c=91, capability=(8, 9))
    found = list(check_gpus(Gpus((Gpu(0, "NVIDIA H200", capability=(9, 0)), hot, Gpu(2, trouble="lost")), "575.57")))
    assert [finding.level for finding in found] == ["ok", "ok", "WARNING", "WARNING"]
    assert found[1].what == "GPU 0: NVIDIA H200, memory unknown, compute capability 9.0; decodes H.264, HEVC, VP9"
    assert "memory 24.0 GB, compute capability 8.9; decodes H.264, HEVC, VP9, AV1; 91 C" in found[2].what
    assert "GPU 2 does not answer (lost)" in found[3].what
    assert "all runs on the CPU" in next(check_gpus(Gpus(trouble="Driver Not Loaded"))).what


def test_ffmpeg_is_found_and_its_absence_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_ffmpeg().what.startswith("ffmpeg version ")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "of imageio-ffmpeg" in check_ffmpeg().what
    monkeypatch.setitem(sys.modules, "scripts.shared.video.ffmpeg_program", None)
    assert check_ffmpeg().level == "WARNING"


def test_torch_is_loaded_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = ModuleType("torch")
    torch.__dict__.update(
        __version__="2.13.0", version=SimpleNamespace(cuda="13.0"), cuda=SimpleNamespace(device_count=lambda: 4)
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert list(check_libraries())[-1].what == "torch is not installed: what is configured does not need it"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: "found")
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert list(check_libraries())[-1].what == "torch 2.13.0, CUDA 13.0, 4 GPUs usable"
    monkeypatch.setitem(sys.modules, "torch", None)
    assert list(check_libraries())[-1].level == "WRONG"


def test_the_commit_is_told_and_its_absence_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(check_versions(read_machine())).what
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    assert commit.stdout.strip() in first
    monkeypatch.setattr(check_environment, "_output", lambda _: "")
    assert next(check_versions(read_machine())).what == "Polymill at an unknown commit (no git, or no clone)"


@pytest.fixture
def alice(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine `deepthought` of the user `alice`, whose home holds the configuration."""
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setattr(socket, "gethostname", lambda: "deepthought.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    return place


def test_the_text_names_neither_home_nor_user_nor_host(alice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(
        {"clips_dir": str(alice / "clips"), "pairs": "/scratch/alice/pairs.json", "output_dir": "/net/deepthought/out"}
    )
    assert doctor.main(["--configfile", "config.yaml"]) == 1
    text = capsys.readouterr().out
    assert "clip4mc.datasets.train.clips_dir: ~/clips" in text
    assert "/scratch/<user>/pairs.json: no such file" in text
    assert "/net/<host>/out" in text
    for secret in (str(alice), "alice", "deepthought"):
        assert secret not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/alice/x and /home/alicia", "~/x and /home/alicia"),
        ("/home/alice", "~"),
        ("/home/alice.old/x", "/home/<user>.old/x"),
        ("node7:/data on node7.cluster", "<host>:/data on <host>"),
        ("node77, alice2, malice", "node77, alice2, malice"),
        ("alice@node7", "<user>@<host>"),
    ],
)
def test_only_whole_names_are_concealed(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setattr(socket, "gethostname", lambda: "node7.cluster")
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    assert concealer()(text) == shown


def test_the_exit_status_and_the_last_line_say_whether_all_is_well(
    alice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.main(["--configfile", "config.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] in ("all well", "0 wrong, 1 warnings")
    save({"num_frame": 3})
    assert doctor.main(["--configfile", "config.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("WRONG    config.yaml: clip4mc.datasets.train: no option 'num_frame'; did you mean")
    assert lines[-1] == "1 wrong, 0 warnings"
    assert doctor.main(["--configfile", "none.yaml"]) == 1
    assert "WRONG    none.yaml: No such file or directory" in capsys.readouterr().out
