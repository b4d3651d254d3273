"""The sheet of a verification: some finished samples, read whole and drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.clip4mc.contact_sheet import contact_sheet, read_sample
from scripts.clip4mc.splits import read_splits
from scripts.shared import atomic_files
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.figures.style import to_png


def draw_samples(
    dataset_dir: Path,
    keys: Sequence[str],
    out: Path,
    *,
    settings: Mapping[str, Any],
    means: Mapping[str, Any],
    title: str,
) -> dict[str, str]:
    """Draw samples below each other.

    Args:
        dataset_dir: the dataset's results folder.
        keys: the samples.
        out: the PNG file.
        settings: as `stage.byte_settings` gives them.
        means: what the stage uses and changes no bytes.
        title: of the sheet.

    Returns:
        The samples that could not be read, each with what is wrong.
    """
    tokenizer = ClipTokenizer.from_option(means["tokenizer"])
    try:
        splits = read_splits(dataset_dir / "dataset_info.json")
    except JobError:  # the verification says so itself
        splits = {}
    split_of = {folder.rpartition("/")[2]: split for split, folders in splits.items() for folder in folders}
    samples, wrong = [], {}
    for key in keys:
        try:
            samples.append(
                read_sample(
                    dataset_dir / key,
                    split=split_of.get(key, "in no split"),
                    tokenizer=tokenizer,
                    channel_order=settings["channel_order"],
                )
            )
        except JobError as error:
            wrong[key] = f"{error}"
    atomic_files.write_bytes(out, to_png(contact_sheet(samples, title=title)))
    return wrong
