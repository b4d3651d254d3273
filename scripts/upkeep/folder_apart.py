"""Folders that the user names for backups and tars."""

from pathlib import Path

from scripts.shared.errors import ConfigError


def check_folder_apart(option: str, folder: Path, ours: list[Path]) -> None:
    """See that a folder for what is made of results can be written, and lies apart from them.

    Args:
        option: by which the user named it.
        folder: it.
        ours: folders of results and work.

    Raises:
        ConfigError: it, or the folder that holds it, is not there; or one of the folders lies in another.
    """
    if not folder.parent.is_dir():
        raise ConfigError(f"{option} is {folder}, but there is no {folder.parent}; is its disk mounted?")
    if folder.is_symlink() and not folder.exists():
        raise ConfigError(f"{option} is {folder}, a link that leads nowhere; is the disk that it names mounted?")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{option} is {folder}, which is no folder")
    place = folder.resolve()
    for own in ours:
        other = own.resolve()
        if place.is_relative_to(other) or other.is_relative_to(place):
            raise ConfigError(
                f"{option} is {folder}, and {own} lies in it or around it: name a folder apart from both, "
                "best on another disk"
            )
