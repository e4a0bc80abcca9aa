"""What the people of the demo see and can do, in a real browser."""

from __future__ import annotations

import httpx
from browser.browser_people import Visitor
from playwright.async_api import Page, expect

from portal_gateway.sandbox.demo import Demo


async def opened_by_click(page: Page, name: str) -> Page:
    async with page.context.expect_page() as opening:
        await page.get_by_role("link", name=name).click()
    opened = await opening.value
    await opened.wait_for_load_state()
    return opened


async def test_one_click_logs_a_person_with_access_into_planhat_as_herself(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("jane")
    portal = await opened_by_click(page, "Customer portal")
    assert portal.url.startswith(demo.planhat_url)
    await expect(portal.locator("body")).to_contain_text("Logged in as Jane Moreau (jane@vance.example)")


async def test_two_people_in_turn_each_become_themselves(demo: Demo, visitor: Visitor) -> None:
    for user_id, email in (("jane", "jane@vance.example"), ("lena", "lena@globex.example")):
        page = await visitor.sign_in(user_id)
        portal = await opened_by_click(page, "Customer portal")
        await expect(portal.locator("body")).to_contain_text(email)


async def test_the_onboarding_page_shows_rocketlane_inside_logged_in(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("jane")
    await page.locator("nav").get_by_role("link", name="Onboarding").click()
    frame = page.frame_locator("iframe.portal-frame")
    await expect(frame.locator("body")).to_contain_text("Logged in as Jane Moreau")
    await expect(frame.locator("body")).to_contain_text("Vance onboarding")
    tab = await opened_by_click(page, "open in a new tab")
    await expect(tab.locator("body")).to_contain_text("Logged in as Jane Moreau")


async def test_a_person_without_access_sees_no_link_and_is_told_why(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("noah")
    await expect(page.get_by_role("link", name="Dashboard")).to_be_visible()
    await expect(page.get_by_role("link", name="Customer portal")).to_have_count(0)
    await page.goto(demo.url + "/onboarding")
    await expect(page.locator("iframe")).to_have_count(0)
    response = await page.goto(demo.url + "/portal/success/launch")
    assert response is not None
    assert response.status == 403
    await expect(page.get_by_role("heading")).to_have_text("You have no access to this portal")
    # The browser itself reports a 403 document as a console error.
    visitor.complaints = [text for text in visitor.complaints if "403" not in text]


async def test_access_to_one_portal_shows_that_one(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("ines")
    await expect(page.get_by_role("link", name="Customer portal")).to_have_count(0)
    await page.goto(demo.url + "/onboarding")
    await expect(page.frame_locator("iframe.portal-frame").locator("body")).to_contain_text("Logged in as Ines")


async def test_a_link_that_is_31_seconds_old_is_refused(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("jane")
    answer = await page.request.get(demo.url + "/portal/success/launch", max_redirects=0)
    assert answer.status == 303
    demo.sandbox.clock.advance(31)
    late = await page.goto(answer.headers["location"])
    assert late is not None
    assert late.status in (403, 410)
    await expect(page.locator("body")).not_to_contain_text("Logged in as")
    visitor.complaints = [text for text in visitor.complaints if str(late.status) not in text]


async def test_a_link_is_good_for_one_use(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("jane")
    url = (await page.request.get(demo.url + "/portal/success/launch", max_redirects=0)).headers["location"]
    first, second = await page.goto(url), None
    await page.context.clear_cookies(domain="127.0.0.1", name="planhat_portal")
    second = await page.goto(url)
    assert first is not None
    assert second is not None
    assert (first.ok, second.ok) == (True, False)
    visitor.complaints.clear()


async def test_a_visitor_who_is_not_signed_in_comes_back_after_signing_in(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.open("/portal/success/launch")
    assert page.url.startswith(demo.url + "/login")
    await page.locator("button[value=jane]").first.click()
    await expect(page.locator("body")).to_contain_text("Logged in as Jane Moreau")
    assert page.url.startswith(demo.planhat_url)


async def test_several_projects_are_offered_for_choice(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("pia")
    await page.goto(demo.url + "/portal/onboarding/")
    projects = [project.name for project in demo.sandbox.world.rocketlane.projects if project.company_id == 301]
    await page.get_by_role("link", name=projects[1]).click()
    body = page.frame_locator("iframe").locator("body")
    await expect(body).to_contain_text("Logged in as Pia")
    await expect(body).to_contain_text(projects[1])


async def test_nobody_becomes_somebody_else_by_anything_they_send(demo: Demo) -> None:
    """Noah, who has no access, claims to be Jane in every place that a request has."""
    claims = {"user_id": "jane", "id": "jane", "user": "jane", "email": "jane@vance.example", "enduser_id": "jane"}
    headers = {f"x-{key.replace('_', '-')}": value for key, value in claims.items()}
    headers |= {"remote-user": "jane", "x-forwarded-user": "jane", "x_user_id": "jane"}
    async with httpx.AsyncClient(base_url=demo.url, headers={"accept": "text/html"}) as noah:
        await noah.post("/login", data={"user_id": "noah"})
        for path in ("/portal/success/launch", "/portal/onboarding/embed", "/portal/success/extid-jane/launch"):
            for attempt in (
                noah.build_request("GET", path, params=claims),
                noah.build_request("GET", path, headers=headers),
                noah.build_request("GET", path, cookies=claims),
                noah.build_request("POST", path, data=claims),
                noah.build_request("GET", path, content=b'{"user_id": "jane"}'),
            ):
                response = await noah.send(attempt)
                assert response.status_code in (403, 404, 405)
        page = await noah.get("/", params=claims, headers=headers)
        assert "portal-link" not in page.text
    assert demo.sandbox.planhat_vendor.calls.count("GET", "/shareabletokens/extid-jane") == 0


async def test_a_choice_made_inside_the_embedded_frame_stays_there(demo: Demo, visitor: Visitor) -> None:
    page = await visitor.sign_in("pia")
    await page.goto(demo.url + "/onboarding")
    frame = page.frame_locator("iframe.portal-frame")
    await frame.get_by_role("link", name="Globex second plant").click()
    await expect(frame.locator("body")).to_contain_text("Logged in as Pia")
    assert page.url == demo.url + "/onboarding"
