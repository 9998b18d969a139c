"""What is printed of a check: answers, abstention, calibration, time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.extraction.cases import Case, groups, sources_of
from benchmarks.extraction.model import Answered, crossfit
from docuquery_client.evaluation.spans import holds_span
from services.answer.extraction.likeness import WordVectors
from services.answer.extraction.selection import SelectionPolicy, select
from services.answer.outcome import has_evidence
from services.answer.settings import Settings

_THRESHOLDS = (0.0, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
_LEAST_COVERAGE = 0.05  # below it the share of wrong answers is that of a handful
_EVIDENCE_BARS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
_BINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def check(cases: Sequence[Case], vectors: WordVectors, png: Path | None) -> None:
    """Prints what models do with the documents they have not seen, and what the evidence bar does."""
    answerable = [case for case in cases if case.question.is_answerable]
    print(f"{len(answerable)} answerable questions, {len(cases) - len(answerable)} without an answer\n")
    one, two = (crossfit(cases, SelectionPolicy(max_sentences=count)) for count in (1, 2))
    print("left-out document                          questions  bound  1 sentence  2 sentences")
    for name in [*groups(cases), ""]:
        rows = [
            [a for a in run if a.case.question.is_answerable and name in ("", a.case.group)]
            for run in (one, two)
        ]
        bound = _share([bool(a.case.holds.any()) for a in rows[0]])
        shares = [_share([a.is_right for a in run]) for run in rows]
        print(f"{name or 'all':42} {len(rows[0]):9} {bound:6.3f} {shares[0]:11.3f} {shares[1]:12.3f}")
    print("\nThe choice to say no, two sentences:\n")
    print("threshold  impossible refused  right ones lost  precision  recall  coverage  risk")
    curve = [_abstention(two, threshold) for threshold in _THRESHOLDS]
    auc = _auc([(a.confidence, a.case.question.is_answerable) for a in two])
    for threshold, row in zip(_THRESHOLDS, curve, strict=True):
        print(
            f"{threshold:9.2f}  {row[0]:18}  {row[1]:15}  " + "  ".join(f"{value:6.3f}" for value in row[2:])
        )
    print(f"\nAUC of confidence, answerable against impossible: {auc:.3f};", end=" ")
    print(f"right answers against all others: {_auc([(a.confidence, a.is_right) for a in two]):.3f}")
    print("\nRefused because a year, version or code of the question is not in the best passage:")
    _print_refused(one, two, lambda a: not a.states_figures)
    print("\nRefused because a name of the question is in no passage:")
    _print_refused(one, two, lambda a: not a.mentions_names)
    for label, run in (("1 sentence", one), ("2 sentences", two)):
        print(f"\nCalibration, {label}:\n\nconfidence   questions  mean  right")
        error = 0.0
        for low, high in pairwise(_BINS):
            inside = [a for a in run if low <= a.confidence < high]
            if not inside:
                continue
            mean, right = statistics.fmean(a.confidence for a in inside), _share([a.is_right for a in inside])
            error += abs(mean - right) * len(inside) / len(run)
            print(f"{low:.1f} to {high:.1f} {len(inside):11}  {mean:.3f}  {right:.3f}")
        print(f"expected calibration error: {error:.3f}")
    _check_evidence(answerable, vectors)
    _check_elsewhere(answerable, vectors)
    if png is not None:
        draw(two, png)


def _print_refused(
    one: Sequence[Answered], two: Sequence[Answered], is_refused: Callable[[Answered], bool]
) -> None:
    for label, run in (("1 sentence", one), ("2 sentences", two)):
        refused = [a for a in run if is_refused(a)]
        impossible = sum(not a.case.question.is_answerable for a in refused)
        print(f"{label}: {impossible} impossible ones, {sum(a.is_right for a in refused)} right ones lost")


def _check_evidence(answerable: Sequence[Case], vectors: WordVectors) -> None:
    """Prints what a least evidence refuses when the passages that hold the answer are taken away."""
    policy = SelectionPolicy(min_evidence=-1.0, min_confidence=0.0)
    kept, away = [], []
    for case in answerable:
        question, sources = case.question, sources_of(case.passages)
        chosen = select(question.text, sources, policy, vectors)
        texts = [sources[pick.source].text[pick.start : pick.end] for pick in chosen.picks]
        if any(holds_span(text, question.answers) for text in texts):
            kept.append(chosen.evidence)
        away.append(select(question.text, sources_of(case.others), policy, vectors).evidence)
    print(f"\nThe answer's passages taken away from {len(away)} questions (committed constants):\n")
    print("least evidence  refused  right answers lost")
    for bar in _EVIDENCE_BARS:
        refused, lost = (_share([value < bar for value in values]) for values in (away, kept))
        print(f"{bar:14.2f}  {refused:7.3f}  {lost:18.3f}")


def _check_elsewhere(answerable: Sequence[Case], vectors: WordVectors) -> None:
    """Prints how many questions are refused when asked of the documents they are not about."""
    settings = Settings()
    policy = SelectionPolicy(min_confidence=settings.min_confidence)
    asked = [case for case in answerable if has_evidence(case.elsewhere, settings.evidence_threshold)]
    answered = [
        case
        for case in asked
        if select(case.question.text, sources_of(case.elsewhere), policy, vectors).picks
    ]
    irrelevant, refused = (1 - len(cases) / len(answerable) for cases in (asked, answered))
    print(f"\nAsked of the other documents: {refused:.3f} refused, {irrelevant:.3f} for want of any passage")


def measure_time(cases: Sequence[Case], vectors: WordVectors) -> None:
    """Prints the processor time of one answer from a case's passages, words met before."""
    taken, policy = [], SelectionPolicy()
    for case in cases:
        sources = sources_of(case.passages)
        began = time.process_time()
        select(case.question.text, sources, policy, vectors)
        taken.append((time.process_time() - began) * 1000)
    taken.sort()
    passages = statistics.fmean(len(case.passages) for case in cases)
    print(f"{len(taken)} answers from {passages:.1f} passages each, milliseconds of processor time:")
    print("  ".join(f"p{share}: {taken[len(taken) * share // 100]:.2f}" for share in (50, 90, 99)))


def draw(run: Sequence[Answered], png: Path) -> None:
    """Draws the abstention curve and the reliability diagram. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    thresholds = [step / 100 for step in range(5, 80)]
    curve = [_abstention(run, threshold) for threshold in thresholds]
    curve = [row for row in curve if row[4] >= _LEAST_COVERAGE]
    left.plot([row[4] for row in curve], [row[5] for row in curve])
    left.set(xlabel="coverage: share of questions answered", ylabel="risk: share of answers that are wrong")
    left.set(xlim=(0, 1), ylim=(0, 1))
    bins = [[a for a in run if low <= a.confidence < high] for low, high in pairwise(_BINS)]
    full = [inside for inside in bins if len(inside) >= 10]
    right.plot([0, 1], [0, 1], linestyle=":", color="grey")
    right.plot(
        [statistics.fmean(a.confidence for a in inside) for inside in full],
        [_share([a.is_right for a in inside]) for inside in full],
        marker="o",
    )
    right.set(xlabel="confidence", ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1))
    figure.savefig(png, dpi=80)


def _abstention(run: Sequence[Answered], threshold: float) -> tuple[int, int, float, float, float, float]:
    """(impossible ones refused, right answers lost, precision, recall, coverage, risk)."""
    refused = [a for a in run if a.confidence < threshold]
    answered = [a for a in run if a.confidence >= threshold]
    impossible = sum(not a.case.question.is_answerable for a in run)
    rightly = sum(not a.case.question.is_answerable for a in refused)
    return (
        rightly,
        sum(a.is_right for a in refused),
        rightly / len(refused) if refused else 0.0,
        rightly / impossible if impossible else 0.0,
        len(answered) / len(run),
        1 - _share([a.is_right for a in answered]),
    )


def _auc(scored: Sequence[tuple[float, bool]]) -> float:
    """The chance that a right one scores above another, ties half (Mann and Whitney 1947)."""
    ranked = sorted(scored)
    total, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        total += sum(positive for _, positive in ranked[at:end]) * (at + end + 1) / 2
        at = end
    positives = sum(positive for _, positive in ranked)
    negatives = len(ranked) - positives
    if not positives or not negatives:
        return 0.5
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
