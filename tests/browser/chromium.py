"""The installed Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    f"none of {', '.join(NAMES)} is on the PATH: apt-get install --no-install-recommends chromium"
)


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch_options() -> dict:
    path = chromium_path()
    if path is None:
        raise RuntimeError(MISSING)
    # The sandbox does not start as root, for example in a container.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    return {"executable_path": path, "args": [*sandbox, "--force-color-profile=srgb"]}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield browser
        browser.close()
