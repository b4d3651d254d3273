"""Which files of a folder are its CLIP tokenizer. Light, because the Snakefile asks it too."""

from pathlib import Path

from scripts.shared.errors import ConfigError


def tokenizer_files(folder: Path) -> list[Path]:
    """The files to read: `vocab.json` and `merges.txt`, or else `tokenizer.json` alone.

    Raises:
        ConfigError: the folder has neither; names what it lacks.
    """
    if not folder.is_dir():
        raise ConfigError(f"tokenizer: {folder} is no folder; name one that holds a CLIP tokenizer")
    pair, single = [folder / "vocab.json", folder / "merges.txt"], folder / "tokenizer.json"
    if all(path.is_file() for path in pair):
        return pair
    if single.is_file():
        return [single]
    found = [path.name for path in pair if path.is_file()]
    lacking = "has neither vocab.json and merges.txt, nor"
    if found:
        other = next(path.name for path in pair if path.name not in found)
        lacking = f"has {found[0]} but not {other}, nor"
    raise ConfigError(
        f"tokenizer: {folder} {lacking} tokenizer.json; copy them from "
        "the CLIP model that the captions are for, or leave `tokenizer` out for OpenAI's vocabulary"
    )
