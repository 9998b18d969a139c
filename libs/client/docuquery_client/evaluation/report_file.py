"""Reports as JSON files: for programs, and to be compared with later ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docuquery_client.evaluation.calibration import calibration
from docuquery_client.evaluation.report import QuestionResult, Report, by_kind, kind_figures
from docuquery_client.evaluation.scores import Share

_DIGITS = 5
"""More than any two runs agree in."""


class ReportError(Exception):
    """The file holds no report that can be used. The text is for people and names the file."""


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """Writes one report as an object, several as a list of such objects. Raises OSError.

    The file appears whole or not at all.
    """
    written = [_as_json(report) for report in reports]
    write_whole(path, _dumped(written[0] if len(written) == 1 else written))


def write_whole(path: Path, text: str) -> None:
    """Writes `text` so that the file appears whole or not at all. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> list[Report]:
    """The reports of a file, with what a comparison needs. Raises ReportError."""
    try:
        read = json.loads(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ReportError(f"{path}: not JSON ({error}).") from None
    reports = read if isinstance(read, list) else [read]
    try:
        return [_from_json(report) for report in reports]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ReportError(
            f"{path}: no report of `docuquery eval` with what each question scored; measure it again."
        ) from None


def _as_json(report: Report) -> dict[str, Any]:
    kinds = {
        kind: {"questions": len(questions), "metrics": kind_figures(questions)}
        for kind, questions in by_kind(report.questions).items()
    }
    calibrated = calibration(report.questions)
    optional = {
        "kinds": kinds or None,
        "calibration": asdict(calibrated) if calibrated else None,
        "judge": asdict(report.judge) if report.judge else None,
    }
    written = {
        "dataset": report.dataset,
        "mode": report.mode,
        "settings": dict(report.settings),
        "metrics": dict(report.metrics),
        "intervals": {name: list(ends) for name, ends in report.intervals.items()},
        **{key: value for key, value in optional.items() if value is not None},
        "questions_sha256": report.questions_sha256,
        "questions": [_question(question) for question in report.questions],
    }
    rounded: dict[str, Any] = _rounded(written)
    return rounded


def _question(question: QuestionResult) -> dict[str, Any]:
    written: dict[str, Any] = {"id": question.id, "question": question.text}
    if question.kind:
        written["kind"] = question.kind
    written["seconds"] = question.seconds
    # Part and whole, so that shares of several questions add up; most are of one.
    written["scores"] = {name: list(share) for name, share in question.scores.items()}
    if question.reply is not None:
        written["reply"] = asdict(question.reply)
    return written


def _from_json(report: Mapping[str, Any]) -> Report:
    return Report(
        dataset=str(report["dataset"]),
        mode=str(report["mode"]),
        settings=dict(report["settings"]),
        metrics={str(name): float(value) for name, value in report["metrics"].items()},
        intervals={str(name): (float(low), float(high)) for name, (low, high) in report["intervals"].items()},
        questions=[
            QuestionResult(
                id=str(each["id"]),
                text=str(each["question"]),
                scores={
                    name: Share(float(part), float(whole)) for name, (part, whole) in each["scores"].items()
                },
                kind=str(each.get("kind", "")),
            )
            for each in report["questions"]
        ],
        questions_sha256=str(report["questions_sha256"]),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def _dumped(written: Any) -> str:
    """Indented for people, but a question on a line of its own: there may be thousands."""
    reports = written if isinstance(written, list) else [written]
    texts = []
    for report in reports:
        lines = ",\n".join(f"    {json.dumps(each, ensure_ascii=False)}" for each in report["questions"])
        head = json.dumps({**report, "questions": []}, indent=2, ensure_ascii=False)
        texts.append(head.removesuffix("[]\n}") + f"[\n{lines}\n  ]\n}}")
    return (texts[0] if isinstance(written, dict) else "[\n" + ",\n".join(texts) + "\n]") + "\n"
