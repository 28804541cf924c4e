"""Take the screenshots of README and docs/console.md with the demo's data.

`make screenshots` runs this. It starts a server with an empty database. `--all FOLDER` takes every
page on a desktop and a phone, light and dark.
"""

import argparse
import json
import sys
from pathlib import Path

from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import DESKTOP, PHONE, chromium  # noqa: E402
from tests.sdk.server import live_server, run  # noqa: E402

# Name: page, width, theme, height (None: the whole page).
PICTURES = {
    "admin": ("conversation", DESKTOP, "light", 900),
    "console-dark": ("conversation", DESKTOP, "dark", 900),
    "console-phone": ("conversation", PHONE, "light", 844),
    "console-timeline": ("timeline", DESKTOP, "light", 900),
    "console-promote": ("promote", DESKTOP, "light", 620),
    "console-merge": ("merge", DESKTOP, "light", 900),
    "console-block": ("block", DESKTOP, "light", 900),
    "console-agent": ("agent", DESKTOP, "light", 900),
    "console-index": ("index", DESKTOP, "light", 700),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with live_server() as server, chromium() as browser:
        run("manage.py", "seed_demo", environment=server.environment)
        world = json.loads(run("-m", "tests.browser.demo", environment=server.environment))
        if options.all:
            options.all.mkdir(parents=True, exist_ok=True)
            for name in world["pages"]:
                for width, size in (("desktop", DESKTOP), ("phone", PHONE)):
                    for theme in ("light", "dark"):
                        path = options.all / f"{name}-{width}-{theme}.png"
                        take(browser, server.url, world, path, name, size, theme, None)
            return
        for picture, (name, size, theme, height) in PICTURES.items():
            path = ROOT / "docs" / f"{picture}.png"
            take(browser, server.url, world, path, name, size, theme, height)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def take(browser, url, world, path, name, size, theme, height) -> None:
    page = browser.new_page(viewport=size, color_scheme=theme)
    page.goto(f"{url}/admin/login/")
    page.get_by_label("Username").fill(world["username"])
    page.get_by_label("Password").fill(world["password"])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{url}{world['pages'][name]}")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    if "#" in world["pages"][name]:
        page.screenshot(path=path)
    elif height:
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": size["width"], "height": height})
    else:
        page.screenshot(path=path, full_page=True)
    page.close()


if __name__ == "__main__":
    main()
