"""A day at the farm in a real browser: an admin queues and steers, and somebody who may only look finds it all."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from farm.client import FarmClient
from farm.tokens import LoginKeys
from tests.support.browser import DANCER, browser, click_row, in_a_browser, keep, page
from tests.support.farms import wait_for
from tests.support.services import Service

__all__ = ["browser", "page"]

pytestmark = [pytest.mark.ray, *in_a_browser]

BATCH = 6
STORYBOARD = DANCER.with_name("morning.toml")
HAS_PICTURES = """video => new Promise(found => {
    if (video.readyState >= 2) found(video.videoWidth > 0);
    video.addEventListener('loadeddata', () => found(video.videoWidth > 0));
})"""


@pytest.fixture
def client(service: Service) -> Iterator[FarmClient]:
    service.steady()
    with service.client() as made:
        yield made


def test_a_day_at_the_farm(page: Page, browser: Browser, service: Service, client: FarmClient) -> None:
    url = service.state.dashboard_url
    page.goto(LoginKeys(service.settings.login_keys_dir).link(url), wait_until="commit")
    token = add_viewer(page, url)
    hold(page, url)
    arrange_film(page, url)
    jobs = submit_batch(page, client)
    kept = reorder_and_cancel(page, jobs, client)
    let_go(page, url)
    watch_it_grow(page, url, kept[0], client)
    wait_for(lambda: all(state_of(client, job) == "completed" for job in kept), "the rest is rendered")
    forked = fork(page, url, kept[0], client)
    exported = client.export(kept[0], ["webm", "gif"])["id"]
    wait_for(lambda: {state_of(client, job) for job in (forked, exported)} == {"completed"}, "take and exports")
    page.goto(f"{url}/presets-and-plugins", wait_until="commit")
    expect(page.get_by_text("Hand Movement").first).to_be_visible()
    keep(page, "presets")
    look_only(browser, url, token, {*jobs, forked, exported}, kept[0], client)


def state_of(client: FarmClient, job_id: str) -> str:
    return str(client.job(job_id)["job"]["state"])


def add_viewer(page: Page, url: str) -> str:
    """Their token, as the page shows it once."""
    page.goto(f"{url}/people", wait_until="commit")
    page.get_by_label("Name", exact=True).fill("vera")
    page.get_by_role("combobox", name=re.compile("Role")).last.click()
    page.get_by_role("option", name=re.compile("viewer")).click()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("The token of vera, shown this once:")).to_be_visible()
    token = page.get_by_test_id("stCode").inner_text().strip()
    page.reload(wait_until="commit")
    expect(page.get_by_text("vera", exact=True)).to_be_visible()
    expect(page.get_by_text(token)).to_have_count(0)
    keep(page, "people")
    return token


def hold(page: Page, url: str) -> None:
    """Have the machine take nothing, so that what is queued stays in the queue."""
    page.goto(f"{url}/cluster", wait_until="commit")
    page.get_by_role("button", name="Drain", exact=True).click()
    page.get_by_label("Reason").fill("new driver")
    page.get_by_role("button", name=re.compile("Drain .+")).click()
    expect(page.get_by_text("new driver")).to_be_visible()


def arrange_film(page: Page, url: str) -> None:
    """A storyboard from its file, with the pictures that it names: what it would be is shown before it is queued."""
    page.goto(f"{url}/storyboard", wait_until="commit")
    pictures, _, file = (page.locator("input[type=file]").nth(number) for number in range(3))
    pictures.set_input_files([DANCER, DANCER.with_name("walker.png")])
    settled(page)
    file.set_input_files(STORYBOARD)
    expect(page.get_by_text(re.compile("side by side"))).to_be_visible()
    settled(page)
    keep(page, "storyboard")


def let_go(page: Page, url: str) -> None:
    page.goto(f"{url}/cluster", wait_until="commit")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("new driver")).to_have_count(0)
    keep(page, "cluster")


def submit_batch(page: Page, client: FarmClient) -> list[str]:
    """Six videos of one draft, as the queue has them."""
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_role("button", name="dancer", exact=True).click()
    page.get_by_label("Prompt", exact=True).fill("The puppet dances energetically, full of charm.")
    page.get_by_label("Prompt", exact=True).press("Tab")
    settled(page)
    length = page.get_by_label("seconds", exact=True)
    length.fill("14.4")
    length.press("Enter")
    settled(page)
    expect(length).to_have_value("14.4")
    page.get_by_text("Several at once").click()
    seeds = page.get_by_role("spinbutton", name="Seeds of each")
    seeds.fill(str(BATCH))
    seeds.press("Enter")
    send = page.get_by_role("button", name=f"Queue {BATCH} videos")
    expect(send).to_be_enabled()
    keep(page, "submit")
    send.click()
    page.wait_for_url(re.compile("/queue"))
    expect(page.locator("[role=gridcell]", has_text="pending")).to_have_count(BATCH)
    return queue(client)


def settled(page: Page) -> None:
    """Wait until the page has answered: what is typed while it does may be put back."""
    page.wait_for_timeout(300)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def queue(client: FarmClient) -> list[str]:
    """Ids in the order in which they will run."""
    return [job["id"] for job in client.jobs(state="pending", sort="place", ascending=True)["jobs"]]


def reorder_and_cancel(page: Page, jobs: list[str], client: FarmClient) -> list[str]:
    """The last one first, and the three behind it away; gives those that stay, in their order."""
    bar = page.locator(".st-key-queue-bar")
    click_row(page, BATCH - 1)
    expect(bar).to_contain_text("1 selected")
    bar.get_by_role("button", name="Run next").click()
    order = [jobs[-1], *jobs[:-1]]
    wait_for(lambda: queue(client) == order, "the last is the first")
    page.reload(wait_until="commit")
    expect(page.locator("[role=gridcell]", has_text="pending")).to_have_count(BATCH)
    for row in (1, 2, 3):
        click_row(page, row)
    expect(bar).to_contain_text("3 selected")
    keep(page, "queue")
    bar.get_by_role("button", name="Cancel").click()
    expect(page.locator("[role=gridcell]", has_text="pending")).to_have_count(BATCH - 3)
    assert [state_of(client, job) for job in order[1:4]] == ["cancelled"] * 3
    return [order[0], *order[4:]]


def watch_it_grow(page: Page, url: str, job_id: str, client: FarmClient) -> None:
    """The video plays before it is finished; it is paused, so that there is time to look."""
    wait_for(lambda: any("clip-" in file["name"] for file in client.job(job_id)["artifacts"]), "something plays")
    client.pause(job_id)
    page.goto(f"{url}/job?id={job_id}", wait_until="commit")
    video = page.locator(".box video")
    expect(video).to_be_visible()
    expect(page.locator(".note")).to_contain_text(re.compile(r"Plays \d+ of 12 sections; .* not finished yet"))
    assert video.evaluate(HAS_PICTURES)
    assert state_of(client, job_id) == "paused"
    keep(page, "job")
    client.resume(job_id)


def fork(page: Page, url: str, job_id: str, client: FarmClient) -> str:
    """Another way from section 3 on; gives the new job."""
    page.goto(f"{url}/job?id={job_id}", wait_until="commit")
    page.locator("[data-section='3']").click()
    page.get_by_role("button", name="Fork from here").click()
    page.get_by_label("Prompt from here on").fill("The puppet waves slowly.")
    page.get_by_role("button", name="Fork", exact=True).click()
    page.wait_for_url(lambda found: "id=" in found and job_id not in found)
    made = page.url.rpartition("=")[2]
    assert client.job(made)["job"]["parent"] == job_id
    return made


def look_only(browser: Browser, url: str, token: str, jobs: set[str], job_id: str, client: FarmClient) -> None:
    """Somebody else opens a link to a job, finds everything under History, and may change nothing."""
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    page.goto(f"{url}/job?id={job_id}", wait_until="commit")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/job?id={job_id}")
    expect(page.get_by_test_id("stVideo")).to_be_visible()
    keep(page, "job-done")
    page.goto(f"{url}/history", wait_until="commit")
    for job in jobs:
        expect(page.locator(f".st-key-card-{job}")).to_be_visible()
    keep(page, "history")
    page.locator(f".st-key-card-{job_id}").get_by_text("Select").click()
    expect(page.get_by_text(re.compile(r"1 of \d+ selected"))).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Delete").click()
    settled(page)
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("vera is a viewer")).to_be_visible()
    assert state_of(client, job_id) == "completed"
    expect(page.get_by_role("link", name="People")).to_have_count(0)
    context.close()
