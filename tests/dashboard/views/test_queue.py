"""The Queue page (Streamlit's own page tester, a real API)."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard.views.queue import PAGE, TABLE
from farm.client import FarmClient
from tests.support.api import LiveFarm, picture
from tests.support.jobs import submit

Show = Callable[..., AppTest]
FIELDS = {"prompt": "The puppet waves", "total_second_length": 1.2, "steps": 1}


def queued(farm: LiveFarm, *names: str, owner: str = "ann") -> list[str]:
    return [submit(farm.store, name=name, owner=owner).id for name in names]


def names(shown: AppTest) -> list[str]:
    return list(shown.dataframe[0].value["name"])


def select(shown: AppTest, *rows: int) -> AppTest:
    shown.session_state[TABLE] = {"selection": {"rows": list(rows)}}
    shown.run()
    assert not shown.exception
    return shown


def button(shown: AppTest, key: str):  # type: ignore[no-untyped-def]
    return shown.button(key=f"queue-{key}")


def test_jobs_are_shown_as_they_will_run_and_filtered_by_the_address(
    quiet: LiveFarm, client: FarmClient, show: Show
) -> None:
    one, two, three = queued(quiet, "one", "two", "three")
    four = queued(quiet, "four", owner="ben")[0]
    client.move(three, "first")
    client.pause(two)
    shown = show("queue")
    order = [job["name"] for job in client.jobs(sort="place")["jobs"]]
    assert names(shown) == order and order.index("three") < order.index("one") and order[-1] == "two"
    row = shown.dataframe[0].value.set_index("name").loc["one"]
    assert (row["state"], row["owner"], row["priority"]) == ("○ pending", "ann", 50)
    assert row["made"].startswith("0/4 · 0/") and row["about"]
    assert names(show("queue", status="paused")) == ["two"]
    assert names(show("queue", owner="ben")) == ["four"] and names(show("queue", text="hre")) == ["three"]
    assert names(show("queue", sort="Name")) == ["four", "one", "three", "two"]
    assert names(show("queue", sort="Name", reverse="true"))[0] == "two"
    assert {one, two, three, four} == {job["id"] for job in client.jobs()["jobs"]}


def test_pages_are_read_one_at_a_time(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    queued(quiet, *(f"{number:02d}" for number in range(PAGE + 3)))
    assert len(names(show("queue", sort="Name"))) == PAGE
    shown = show("queue", sort="Name", page="2")
    assert names(shown) == [f"{number:02d}" for number in range(PAGE, PAGE + 3)]
    client.act("cancel", [job["id"] for job in client.jobs()["jobs"][:5]])
    shown.run()
    assert not shown.exception and len(names(shown)) == PAGE - 2


def test_actions_say_how_many_they_fit_and_are_done_to_those(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    ids = queued(quiet, "a", "b", "c")
    client.pause(ids[0])
    shown = select(show("queue", sort="Name"), 0, 1, 2)
    assert (button(shown, "pause").label, button(shown, "resume").label) == ("Pause 2 of 3", "Resume 1 of 3")
    assert "2 of 3 can be paused" in button(shown, "pause").help
    button(shown, "pause").click().run()
    assert not shown.exception
    assert {client.job(job)["job"]["state"] for job in ids} == {"paused"}
    assert button(shown, "pause").disabled and button(shown, "resume").label == "Resume"


def test_without_a_selection_nothing_can_be_done(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    queued(quiet, "a")
    assert all(button(show("queue"), key).disabled for key in ("pause", "cancel", "first", "up", "copy"))


def test_selection_stays_with_its_jobs_when_the_order_changes(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    ids = queued(quiet, "a", "b", "c")
    shown = select(show("queue", sort="Name"), 2)
    client.cancel(ids[0])
    shown.run()
    assert names(shown) == ["b", "c"] and shown.session_state[TABLE]["selection"]["rows"] == [1]
    button(shown, "cancel").click().run()
    assert client.job(ids[2])["job"]["state"] == "cancelled" and client.job(ids[1])["job"]["state"] == "pending"
    assert shown.session_state[TABLE]["selection"]["rows"] == []


def test_jobs_are_moved(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    queued(quiet, "a", "b", "c", "d")
    client.jobs(sort="place")

    def order() -> list[str]:
        return names(show("queue"))

    wait = [order()]
    while wait[-1] != ["a", "b", "c", "d"]:  # the farm's look at its queue is a second old at most
        wait.append(order())
    for row, key, after in (
        (2, "up", ["a", "c", "b", "d"]),
        (1, "down", ["a", "b", "c", "d"]),
        (3, "first", ["d", "a", "b", "c"]),
        (0, "last", ["a", "b", "c", "d"]),
    ):
        shown = select(show("queue"), row)
        button(shown, key).click().run()
        assert not shown.exception
        while order() != after:
            pass


def test_priority_is_set_at_once_and_a_job_is_edited(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    first, second = queued(quiet, "a", "b")
    shown = select(show("queue", sort="Name"), 0, 1)
    number = next(field for field in shown.number_input if (field.key or "").startswith("queue-priority"))
    number.set_value(80).run()
    assert not shown.exception
    assert [client.job(job)["job"]["priority"] for job in (first, second)] == [80, 80]
    shown = select(shown, 0)
    next(field for field in shown.text_input if field.label == "Name").set_value("better")
    next(field for field in shown.text_input if field.label == "Labels").set_value("studio, rack-2")
    next(field for field in shown.button if field.label == "Save").click().run()
    job = client.job(first)["job"]
    assert (job["name"], job["labels"], job["deadline"], job["priority"]) == ("better", ["rack-2", "studio"], None, 80)
    assert names(shown) == ["b", "better"]


def test_duplicate_has_the_same_files_and_another_seed(client: FarmClient, show: Show) -> None:
    first = client.submit(picture(), FIELDS | {"name": "twin", "seed": 7})
    shown = select(show("queue"), 0)
    button(shown, "copy").click().run()
    assert not shown.exception and names(shown) == ["twin", "twin"]
    second = next(job for job in client.jobs()["jobs"] if job["id"] != first["id"])
    assert second["request"] == {**client.job(first["id"])["job"]["request"], "seed": second["request"]["seed"]}
    assert second["request"]["seed"] != 7


def test_empty_pages_say_what_to_do(quiet: LiveFarm, client: FarmClient, show: Show) -> None:
    assert "No videos yet" in show("queue").markdown[0].value
    client.cancel(queued(quiet, "a")[0])
    assert "Nothing to do" in show("queue").markdown[0].value
    queued(quiet, "b")
    assert "No job matches" in show("queue", text="nothing like that").markdown[0].value
