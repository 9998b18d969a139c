"""The drawings: which are made of what."""

from __future__ import annotations

from pathlib import Path

from docuquery_client.evaluation.plots import draw
from docuquery_client.evaluation.report import QuestionResult, Reply, summed_up
from docuquery_client.evaluation.scores import mark

PNG = b"\x89PNG\r\n\x1a\n"


def test_answers_have_three_drawings_and_searches_two(tmp_path: Path) -> None:
    reply = Reply("ANSWERED", "At ten.", 0.6, True)
    answers = [
        summed_up(
            "birds",
            mode,
            {},
            [QuestionResult("1", "?", {"correct": mark(1)}, seconds=0.2, reply=reply)],
            "ab",
        )
        for mode in ("auto/hybrid", "auto/dense")
    ]
    drawn = draw(tmp_path / "new" / "answers", answers)
    assert [path.name for path in drawn] == ["metrics.png", "latency.png", "calibration.png"]
    assert all(path.read_bytes().startswith(PNG) for path in drawn)

    searches = summed_up("birds", "hybrid", {}, [QuestionResult("1", "?", {"m": mark(1)}, seconds=0.2)], "ab")
    assert [path.name for path in draw(tmp_path, [searches])] == ["metrics.png", "latency.png"]


def test_a_run_in_which_nothing_came_back_has_no_times_to_draw(tmp_path: Path) -> None:
    refused = summed_up("birds", "hybrid", {}, [QuestionResult("1", "?", {"m": mark(0)})], "ab")
    assert [path.name for path in draw(tmp_path, [refused])] == ["metrics.png"]
