import httpx
import pytest

from farm.client import FarmClient
from farm.errors import FarmError, InputError
from tests.support.api import LiveFarm, live_farm, picture


def test_plan_preview_tells_true_length_and_bound(client: FarmClient):
    plan = client.plan(seconds=10, order="bisect", devices=4)
    assert plan["sections"] == 8 and plan["frames"] == 289
    assert plan["seconds"] == pytest.approx(289 / 30)
    assert plan["devices_speedup"] == pytest.approx(8 / plan["makespan"])
    assert plan["depth"] < 8 and plan["bucket"] == [64, 64] and plan["svg"] == ""
    assert [s["index"] for s in plan["section_list"]] == list(range(8))
    assert plan["section_list"][0]["first_frame"] == 0 and plan["section_list"][-1]["last_frame"] == 288
    assert client.plan(seconds=10, order="vanilla")["depth"] == 8
    assert client.plan(seconds=2, svg=True)["svg"].startswith("<svg")
    wide = client.plan(width=400, height=100)
    assert (wide["bucket"], wide["crop"], wide["kept"]) == ([64, 64], [150, 0, 250, 100], 0.25)
    with pytest.raises(InputError, match="resolution 512: model 'puppet' has 64"):
        client.plan(resolution=512)
    with pytest.raises(InputError, match="at most"):
        client.plan(seconds=3601)


def test_preview_agrees_with_the_job(client: FarmClient):
    preview = client.plan(seconds=7, order="bisect")
    job = client.submit(picture(), {"prompt": "x", "total_second_length": 7, "order": "bisect", "seed": 1})
    plan = client.job(job["id"])["plan"]
    for key in ("seconds", "frames", "sections", "depth", "width", "speedup"):
        assert plan[key] == preview[key]


def test_previews_say_when_a_job_would_be_done_and_queue_none(client: FarmClient):
    fields = {"prompt": "x", "total_second_length": 7, "seed": 1}
    before = client.jobs()["total"]
    check, preview = client.check(picture(), fields), client.plan(seconds=7)
    assert client.jobs()["total"] == before
    for found in (check["outlook"], preview["outlook"]):
        assert found["place"] == found["jobs"] and found["expected"] is None  # there is no replica


def test_a_preview_counts_with_priority_and_labels(farm: LiveFarm, client: FarmClient):
    asked = {"prompt": "x", "total_second_length": 7, "seed": 1, "priority": 60}
    ids = [client.submit(picture(), asked | {"seed": seed})["id"] for seed in (1, 2)]
    farm.store.upsert_replica("r0", "n", "CPU", "idle", more={"seat": "cpu-0"})
    try:
        low, high = (client.plan(seconds=7, priority=priority)["outlook"]["place"] for priority in (10, 90))
        assert high < low
        nowhere = client.plan(seconds=7, labels=["studio"])["outlook"]
        assert nowhere["expected"] is None
        for wrong in ({"priority": 101}, {"labels": ["No Such"]}):
            with pytest.raises(InputError, match=next(iter(wrong))):
                client.plan(**wrong)
    finally:
        farm.store.remove_replica("r0")
        for job in ids:
            client.cancel(job)


def test_orders_say_which_models_were_trained_for_them(client: FarmClient):
    orders = {o["name"]: o for o in client.orders()}
    assert {"vanilla", "inverted", "endpoints", "bisect", "fanout:k"} <= set(orders)
    model = client.models()[0]
    assert model["name"] == "puppet" and model["window"] == 9
    assert orders.pop("auto")["trained_for"] == orders["vanilla"]["trained_for"]
    for name, order in orders.items():
        assert ("puppet" in order["trained_for"]) == (name in model["orders"])


def test_an_order_is_chosen_for_the_devices_of_the_farm(farm: LiveFarm, client: FarmClient):
    asked = {"prompt": "The puppet waves", "total_second_length": 9.6, "order": "auto"}
    assert client.plan(seconds=9.6, order="auto")["order"] == "inverted"
    for index in range(2):
        farm.store.upsert_replica(f"r{index}", "n", "CPU", "idle", more={"seat": f"cpu-{index}"})
    try:
        preview = client.plan(seconds=9.6, order="auto")
        job = client.submit(picture(), asked)
        assert job["request"]["order"] == preview["order"] == "bisect"
        (why,) = [note for note in job["notes"] if note.startswith("order bisect: on 2 devices")]
        assert why in preview["notes"]
        assert why in [event.message for event in farm.store.events(job["id"])]
    finally:
        for index in range(2):
            farm.store.remove_replica(f"r{index}")


def test_broken_checkpoint_is_reported_not_fatal(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "none"))
    with live_farm(tmp_path / "home") as broken, broken.client() as client:
        assert client.models()[0]["error"]
        assert client.orders()


def test_preset_file_saved_now_is_listed_and_usable_now(farm: LiveFarm, client: FarmClient):
    names = {p["name"] for p in client.presets()["presets"]}
    assert {"Default", "Dance"} <= names
    file = farm.settings.presets_dir / "mine.toml"
    file.write_text('name = "Mine"\ndescription = "quick"\n[values]\nsteps = 2\n')
    assert "Mine" in {p["name"] for p in client.presets()["presets"]}
    assert client.submit(picture(), {"prompt": "x", "preset": "mine"})["request"]["steps"] == 2
    file.write_text("name = ")
    (broken,) = client.presets()["broken"]
    assert broken["path"] == str(file) and "TOML" in broken["reason"]


def test_exporters_plugins_and_nodes_are_listed(farm: LiveFarm, client: FarmClient):
    exporters = {exporter["name"]: exporter for exporter in client.exporters()}
    mp4 = exporters["mp4"]
    assert (mp4["extension"], mp4["media_type"], mp4["carries_sound"]) == (".mp4", "video/mp4", True)
    crf = next(option for option in exporters["webm"]["options"] if option["name"] == "crf")
    assert (crf["kind"], crf["minimum"], crf["maximum"], crf["default"]) == ("integer", 0, 63, None)
    assert any(p["name"] == "built-in" and p["enabled"] for p in client.plugins())
    farm.store.upsert_replica("r-1", "node-a", "cpu", "idle")
    (node,) = client.nodes()
    assert (node["host"], [replica["id"] for replica in node["replicas"]]) == ("node-a", ["r-1"])


def test_metrics_are_found_where_prometheus_looks(farm: LiveFarm):
    headers = {"Authorization": f"Bearer {farm.token}"}
    answer = httpx.get(f"{farm.url}/metrics", headers=headers, follow_redirects=True)
    assert answer.url.path == "/api/v1/metrics" and "farm_jobs" in answer.text
    assert httpx.get(f"{farm.url}/metrics").json()["error"]["type"] == "AuthError"


def test_metrics_count_jobs_and_requests(farm: LiveFarm, client: FarmClient):
    before = client.metrics()
    client.submit(picture(), {"prompt": "x", "seed": 1})
    text = client.metrics()

    def value(page: str, name: str) -> float:
        return float(next(line for line in page.splitlines() if line.startswith(name)).rsplit(" ", 1)[1])

    pending = 'farm_jobs{state="pending"}'
    assert value(text, pending) == value(before, pending) + 1
    posts = 'farm_api_request_seconds_count{method="POST",route="/jobs",status="201"}'
    assert value(text, posts) >= 1


def test_health_needs_no_token_and_tells_of_a_broken_database(farm: LiveFarm, monkeypatch: pytest.MonkeyPatch):
    url = f"{farm.url}/api/v1/health"
    assert httpx.get(url).json()["status"] == "ok"
    with farm.store._database._engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO hidden")
    try:
        answer = httpx.get(url)
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
    finally:
        with farm.store._database._engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE hidden RENAME TO jobs")


def test_documentation_has_examples(farm: LiveFarm):
    assert httpx.get(f"{farm.url}/docs").status_code == 200
    schema = httpx.get(f"{farm.url}/openapi.json").text
    assert "The puppet dances" in schema and "text/event-stream" in schema


def test_families_that_are_not_here_say_how_to_get_them(client: FarmClient, monkeypatch: pytest.MonkeyPatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    errors = {model["name"]: model["error"] for model in client.models()}
    assert errors["puppet"] == ""
    assert "`farm models pull framepack` downloads" in errors["framepack"]
    with pytest.raises(FarmError, match="farm models pull framepack-f1"):
        client.submit(picture(), {"prompt": "x", "model_type": "framepack-f1"})


def test_a_plugin_that_was_just_saved_is_there_without_a_restart(
    farm: LiveFarm, client: FarmClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farm.api.context.LOOK_SECONDS", 0.0)
    path = farm.settings.plugins_dir / "late.py"
    before = {exporter["name"] for exporter in client.exporters()}
    path.write_text(
        "from plugins.hookspecs import hookimpl\n\n\nclass Late:\n"
        "    name, extension, media_type = 'late', '.late', 'text/plain'\n\n"
        "    def export(self, frames, path, info):\n        path.write_text('late')\n\n\n"
        "@hookimpl\ndef farm_exporters():\n    return [Late()]\n"
    )
    try:
        assert {exporter["name"] for exporter in client.exporters()} == before | {"late"}
        assert client.check(picture(), {"prompt": "x", "exporter": "late"})["request"]["exporter"] == "late"
        path.write_text("nonsense(")
        assert any(plugin["reason"] for plugin in client.plugins() if plugin["name"] == "late")
    finally:
        path.unlink()
    assert {exporter["name"] for exporter in client.exporters()} == before
