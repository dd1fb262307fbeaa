"""The form of files: each exporter's own options, several files, and what is sent of them."""

from dashboard.views import exports
from tests.dashboard.conftest import RunningFarm
from tests.dashboard.test_ranges import submitted
from tests.dashboard.views.test_submit import errors, start

__all__ = ["start"]


def test_each_file_has_the_options_of_its_exporter(start, farm: RunningFarm):
    def fill_in(page) -> None:
        assert page.selectbox(key="draft_files_0_mp4:codec").value == "h264"
        page.selectbox(key="draft_files_0_mp4:codec").set_value("h265").run()
        next(button for button in page.button if button.label == "One more file").click().run()
        page.selectbox(key="draft_files_1").set_value("gif").run()
        assert page.selectbox(key="draft_files_1_gif:dither").help
        page.number_input(key="draft_files_1_gif:fps").set_value(12).run()
        page.multiselect(key="draft_files_post").set_value(["upscale"]).run()
        page.number_input(key="draft_files_post_upscale:scale").set_value(3.0).run()
        page.text_input(key="draft_file_name").set_value("{seed} {name}").run()
        assert not errors(page)

    request = submitted(start, farm, fill_in)
    first, second = request["exports"]
    assert (first["exporter"], first["options"]) == ("mp4", {"codec": "h265"})
    assert (second["exporter"], second["options"]) == ("gif", {"fps": 12})
    assert first["post"] == second["post"] == [{"processor": "upscale", "options": {"scale": 3.0}}]
    assert request["file_name"] == "{seed} {name}"


def test_files_of_an_earlier_job_come_back_whole(start, farm: RunningFarm, monkeypatch):
    asked = ["webm:crf=30", "mp4:codec=av1,output_fps=12", "mp4"]
    drafted: dict[str, object] = {}
    with monkeypatch.context() as patch:
        patch.setattr(exports.st, "session_state", drafted)
        exports.load({"exports": asked, "post": ["interpolate:fps=50"], "mp4_crf": 20})
    request = submitted(start, farm, lambda page: None, **drafted)
    assert [each["exporter"] for each in request["exports"]] == ["webm", "mp4", "mp4"]
    assert [each["options"] for each in request["exports"]] == [{"crf": 30}, {"codec": "av1"}, {}]
    assert [each["output_fps"] for each in request["exports"]] == [None, 12, None]
    assert request["post"] == [{"processor": "interpolate", "options": {"fps": 50}}]
