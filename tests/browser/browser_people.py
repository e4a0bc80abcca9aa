"""Who takes part in a browser test."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, ConsoleMessage, Page


@dataclass
class Visitor:
    """A person at a browser. What the browser complains about is collected and fails the test."""

    context: BrowserContext
    base_url: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        page = await self.context.new_page()
        await page.goto(self.base_url + path)
        return page

    async def sign_in(self, user_id: str) -> Page:
        page = await self.open("/login")
        await page.locator(f"button[value={user_id}]").click()
        await page.wait_for_url(self.base_url + "/")
        return page

    async def enter(self, user_id: str) -> None:
        """Sign in at a host app of the tests, without a page."""
        await self.context.request.get(f"{self.base_url}/in/{user_id}")

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Browsers ask every site for this by themselves.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            self.complaints.append(message.text)
