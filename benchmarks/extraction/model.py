"""The provider's constants, fitted on some cases and tried on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.extraction.cases import Case, groups
from benchmarks.extraction.regression import fit_choice, fit_logistic
from services.answer.extraction.selection import SelectionPolicy, choose

CHOICE_PENALTY = 5e-5
"""Of 1e-5 to 5e-3 the one that left-out articles like best."""
CONFIDENCE_PENALTY = 1e-3
_POLICIES = (SelectionPolicy(max_sentences=1), SelectionPolicy(max_sentences=2))


@dataclass(frozen=True)
class Model:
    """Fitted constants."""

    weights: tuple[float, ...]
    """In the order of `Features`."""
    intercept: float = 0.0
    confidence: tuple[float, ...] = ()
    """In the order of `Signals`."""


@dataclass(frozen=True)
class Answered:
    """What a model makes of one case."""

    case: Case
    signals: tuple[float, ...]
    is_right: bool
    """Whether the chosen sentences hold a marked span; never for a question without an answer."""
    states_figures: bool
    """Whether their passage may speak of the question's years, versions and codes; else none are given."""
    mentions_names: bool
    """Whether the passages mention the question's names; else none are given."""
    confidence: float = 0.0


def fit_weights(cases: Sequence[Case]) -> Model:
    """The choice's weights, from the questions whose answer is among the sentences.

    A sentence that holds the span in another document is neither right nor wrong, and is left out.
    """
    usable = [case for case in cases if case.question.is_answerable and case.is_right.any()]
    kept = [~(case.holds & ~case.is_right) for case in usable]
    rows = [case.features[keep] for case, keep in zip(usable, kept, strict=True)]
    right = [case.is_right[keep] for case, keep in zip(usable, kept, strict=True)]
    return Model(fit_choice(rows, right, CHOICE_PENALTY))


def answer(model: Model, cases: Sequence[Case], policy: SelectionPolicy) -> list[Answered]:
    """The answers of `model`, none refused."""
    return [_answered(model, case, policy) for case in cases]


def crossfit(cases: Sequence[Case], policy: SelectionPolicy) -> list[Answered]:
    """Each document's questions answered by a model that has seen the other documents only.

    The confidence is fitted on answers of models that had not seen their documents either, as it is used.
    """
    names = groups(cases)
    unseen = {name: fit_weights([case for case in cases if case.group != name]) for name in names}
    answers = {
        each: {name: answer(unseen[name], [c for c in cases if c.group == name], each) for name in names}
        for each in {policy, *_POLICIES}
    }
    result = []
    for name in names:
        seen = [a for each in _POLICIES for other in names if other != name for a in answers[each][other]]
        model = fit_confidence(unseen[name], seen)
        result += [_with_confidence(model, each) for each in answers[policy][name]]
    return result


def fit_all(cases: Sequence[Case]) -> Model:
    """The constants to commit: the weights from all documents, the confidence from crossfitted answers."""
    seen = [each for policy in _POLICIES for each in crossfit(cases, policy)]
    return fit_confidence(fit_weights(cases), seen)


def fit_confidence(model: Model, answers: Sequence[Answered]) -> Model:
    """`model` with its confidence fitted on answers."""
    rows = np.array([each.signals for each in answers], dtype=np.float64)
    right: NDArray[np.bool_] = np.array([each.is_right for each in answers], dtype=bool)
    intercept, confidence = fit_logistic(rows, right, CONFIDENCE_PENALTY)
    return Model(model.weights, intercept, confidence)


def _answered(model: Model, case: Case, policy: SelectionPolicy) -> Answered:
    utilities = [float(value) for value in case.features @ np.array(model.weights)]
    choice = choose(case.considered, utilities, policy)
    is_right = bool(case.holds[list(choice.indices)].any())
    return Answered(case, choice.signals, is_right, choice.states_figures, choice.mentions_names)


def _with_confidence(model: Model, each: Answered) -> Answered:
    odds = model.intercept + float(np.dot(each.signals, model.confidence))
    return replace(each, confidence=float(1 / (1 + np.exp(-odds))))
