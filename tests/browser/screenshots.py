"""``make screenshots``: the pages of the dashboard as pictures for the README, on the same traffic each time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import click
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.stack import Stack, running

DOCS: Final = Path(__file__).parents[2] / "docs"
WIDE: Final = (1440, 1000)
PHONE: Final = (390, 844)


Theme = Literal["light", "dark"]


class Shot(NamedTuple):
    """A picture: of which page, in which theme and size; ``is_whole`` also shows what is below."""

    page: str
    theme: Theme
    size: tuple[int, int] = WIDE
    is_whole: bool = False

    @property
    def file(self) -> Path:
        """Where it goes."""
        look = "phone" if self.size == PHONE else "whole" if self.is_whole else self.theme
        return DOCS / f"dashboard-{self.page}-{look}.png"


PAGES: Final = ("overview", "campaign", "order", "settlement", "statement", "alerts", "health")
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
SHOTS: Final = (
    *(Shot(page, theme) for page in PAGES for theme in THEMES),
    Shot("overview", "light", PHONE),
    Shot("campaign", "light", WIDE, is_whole=True),
)


def signed_in(browser: Browser, stack: Stack, **options: Any) -> Page:
    """A page of a new viewer, in English."""
    page = browser.new_context(locale="en-US", reduced_motion="reduce", **options).new_page()
    page.goto(f"{stack.address}/login#{stack.token}")
    page.locator("form button").first.click()
    page.wait_for_selector("nav")
    return page


def acknowledge(browser: Browser, stack: Stack) -> None:
    """Have an alert acknowledged, as on a usual day."""
    page = signed_in(browser, stack)
    page.goto(f"{stack.address}/alerts")
    alert = page.locator("ul.alerts > li").last
    alert.locator("summary").click()
    alert.locator("textarea").fill("Bid halved at noon, the merchant knows.")
    alert.locator("form button").click()
    page.wait_for_selector(".seen")
    page.context.close()


def shoot(browser: Browser, stack: Stack, shot: Shot) -> None:
    """Take one picture."""
    width, height = shot.size
    page = signed_in(browser, stack, color_scheme=shot.theme, viewport={"width": width, "height": height})
    page.goto(stack.address + stack.pages()[shot.page])
    # Charts are drawn once their script has run; the animation is off.
    page.wait_for_function(
        "[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('canvas, svg'))"
    )
    page.wait_for_timeout(500)
    page.screenshot(path=shot.file, full_page=shot.is_whole)
    page.context.close()
    click.echo(f"{shot.file.relative_to(DOCS.parent)}: {shot.file.stat().st_size // 1000} kB")


def main() -> None:
    """Start a stack, take all pictures, and stop it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        acknowledge(browser, stack)
        for shot in SHOTS:
            shoot(browser, stack, shot)
        browser.close()


if __name__ == "__main__":
    main()
