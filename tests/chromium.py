"""A headless Chromium for tests of pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = "no Chromium; on Debian, make chromium-install fetches it"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@contextmanager
def chromium(data: Path) -> Iterator[Browser]:
    """A browser that has Chinese letters.

    Args:
        data: a folder for fonts: machines without Chinese ones would draw boxes.
    """
    fonts = data / "fonts"
    fonts.mkdir(parents=True)
    found = find_spec("pylopdf_fonts_zh_cn")
    if found and found.submodule_search_locations:
        (fonts / "zh").symlink_to(found.submodule_search_locations[0])
    with sync_playwright() as playwright:
        environment: dict[str, Any] = {**os.environ, "XDG_DATA_HOME": str(data)}
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], env=environment)
        yield started
        started.close()
