"""Where a dataset's memory and plans lie."""

from pathlib import Path

from scripts.shared.ledger import Row


def has_own_folder(row: Row) -> bool:
    """Whether a finished sample has a folder of its own, named by its key: its ledger row tells when that changed last.

    The files of the others lie in folders that samples share.
    """
    return "folder_mtime_ns" in row


def sample_file(row: Row, name: str) -> str:
    """Where a file that a sample's ledger row names lies, relative to the dataset's folder."""
    return f"{row['key']}/{name}" if has_own_folder(row) else name


def state_dir(dataset_dir: Path) -> Path:
    """The folder that holds all that Polymill remembers of a dataset: no absolute path, and not the dataset's name."""
    return dataset_dir / ".state"


def members_file(dataset_dir: Path) -> Path:
    """Which shard each sample belongs to."""
    return state_dir(dataset_dir) / "members"


def ledger_dir(dataset_dir: Path, stage: str) -> Path:
    """What each sample of a stage holds."""
    return state_dir(dataset_dir) / stage / "ledger"


def run_lock(dataset_dir: Path) -> Path:
    """Held by the process that plans a run, until the run ends."""
    return state_dir(dataset_dir) / "run.lock"


def stop_file(dataset_dir: Path) -> Path:
    """While it exists, jobs of this dataset end after the samples in hand."""
    return state_dir(dataset_dir) / "stop"


def shard_lock(dataset_dir: Path, stage: str, shard: str) -> Path:
    """Held by the job that works on a shard."""
    return state_dir(dataset_dir) / stage / "lock" / f"{shard}.lock"


def unfinished_dir(dataset_dir: Path, stage: str, shard: str) -> Path:
    """Samples in the making: on the file system of the finished ones, so that a rename suffices.

    Each attempt at the shard has a folder in it. In that lie the samples' own folders, or their files as they will lie
    below the dataset's.
    """
    return state_dir(dataset_dir) / stage / "unfinished" / shard


def plan_file(stage_work_dir: Path, shard: str) -> Path:
    """What a shard must hold."""
    return stage_work_dir / "plan" / f"{shard}.json"


def receipt_file(stage_work_dir: Path, shard: str) -> Path:
    """That a plan was answered."""
    return stage_work_dir / "receipt" / f"{shard}.json"
