"""Pairs of questions that are the same, or are not: what the semantic cache may take one for the other.

    python -m benchmarks.question_pairs

Prints for each pair the rule's judgement and the cosine of the default embedder's vectors, then how low the
cosine of pairs that are the same goes, and how high that of the others: no threshold divides them, which is
why the rule decides. SEMANTIC_CACHE_SIMILARITY only has to be below the first figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.retrieval.answers.question_forms import question_forms
from services.retrieval.embedders.local import LocalEmbedder

SAME = (
    # the same words
    ("What is the hotel limit per night in Paris?", "what is the hotel limit per night in paris"),
    ("What is the hotel limit per night in Paris?", "  What is the  hotel limit,\nper night, in “Paris” ?! "),
    ("What is error E-40?", "what is error e-40"),
    ("What is the employee's allowance?", "What is the employee’s allowance?"),
    ("Which café is in Aldermouth?", "Which cafe\u0301 is in Aldermouth?"),
    ("What is the limit for 500 EUR?", "What is the limit for ５００ EUR？"),
    ("WHAT IS THE VPN LIMIT?", "What is the VPN limit?"),
    ("Wie hoch ist das Hotellimit in Paris?", "wie hoch ist das hotellimit in paris"),
    ("Quelle est la limite d’hôtel à Paris ?", "Quelle est la limite d'hôtel à Paris?"),
    ("¿Cuál es el límite de hotel en París?", "cuál es el límite de hotel en parís"),
    ("巴黎的酒店限额是多少？", "巴黎的酒店限额是多少"),
    # nearly the same words
    ("What is the hotel limit in Paris?", "What's the hotel limit in Paris?"),
    ("What is the hotel limit in Paris?", "Hi, what is the hotel limit in Paris? Thanks!"),
    ("What is the hotel limit in Paris?", "Please tell me what the hotel limit is in Paris."),
    ("What is the hotel limit in Paris?", "Could you please tell me what the hotel limit in Paris is?"),
    ("How many days of leave do I get?", "Hello, how many days of leave do I get, please?"),
    ("How many days of leave do I get?", "I would like to know how many days of leave do I get"),
    ("Who approves business class?", "Do you know who approves business class?"),
    ("Which costs are not paid?", "Good morning, which costs aren't paid?"),
    ("May I come if I am ill?", "May I come if I'm ill?"),
    ("What must I do when I cannot come?", "What must I do when I can't come?"),
    ("Wie hoch ist das Hotellimit in Paris?", "Hallo, wie hoch ist das Hotellimit in Paris? Danke!"),
    ("Quelle est la limite à Paris ?", "Bonjour, quelle est la limite à Paris, s'il vous plaît ?"),
    ("¿Cuál es el límite en París?", "Hola, ¿cuál es el límite en París, por favor?"),
    ("Qual è il limite a Parigi?", "Qual è il limite a Parigi, per favore?"),
    ("Qual é o limite em Paris?", "Bom dia, qual é o limite em Paris?"),
)
"""Either must be answered as the other was."""

DIFFERENT = (
    # numbers, units, dates, identifiers
    ("How much leave do I get after 12 years?", "How much leave do I get after 2 years?"),
    ("How much leave do I get after 12 years?", "How much leave do I get after 12 months?"),
    ("What was revenue in 2023?", "What was revenue in 2024?"),
    ("What happened on 9 June?", "What happened on 9 July?"),
    ("What does E-40 mean?", "What does E-41 mean?"),
    ("What changed in version 4.3.0?", "What changed in version 4.3?"),
    ("Is a rate of .5 % allowed?", "Is a rate of 5 % allowed?"),
    ("Is -5 °C allowed?", "Is 5 °C allowed?"),
    ("Is 5 °C allowed?", "Is 5 °F allowed?"),
    ("Is a laser of 5 mW allowed?", "Is a laser of 5 MW allowed?"),
    ("Is a cable of 6' allowed?", 'Is a cable of 6" allowed?'),
    ("Is an area of 5² covered?", "Is an area of 52 covered?"),
    ("What is the limit in $?", "What is the limit in €?"),
    ("Which coders use C++?", "Which coders use C#?"),
    ("Is 10 > 5 the rule?", "Is 10 < 5 the rule?"),
    ("Can I take twenty one-day breaks?", "Can I take twenty-one day breaks?"),
    # names
    ("What is the hotel limit in Paris?", "What is the hotel limit in London?"),
    ("Where does William sit?", "Where does Williams sit?"),
    ("Who reports to Ada?", "Who reports to Ida?"),
    ("Which rules apply to US staff?", "Which rules apply to us staff?"),
    ("What does IT issue?", "What does it issue?"),
    ("What is the Hello Fresh discount?", "What is the Fresh discount?"),
    ("Hello Fresh discount", "Fresh discount"),
    # negation, comparison, quantity
    ("Is travel paid?", "Is travel not paid?"),
    ("Is leave with pay granted?", "Is leave without pay granted?"),
    ("Which costs are paid?", "Which costs are never paid?"),
    ("What must I do at least?", "What must I do at most?"),
    ("Is more than one day allowed?", "Is less than one day allowed?"),
    ("Who has the most leave?", "Who has most of the leave?"),
    ("What do all managers get?", "What do some managers get?"),
    # order
    ("How do I get from Paris to Rome?", "How do I get from Rome to Paris?"),
    ("Does Ada report to Bob?", "Does Bob report to Ada?"),
    ("May a manager approve an employee?", "May an employee approve a manager?"),
    ("What was decided before the merger after 2020?", "What was decided after the merger before 2020?"),
    ("In March, who decided that leave is paid?", "Who decided that leave is paid in March?"),
    # small words and endings
    ("Who was in office in 2020?", "Who was in the office in 2020?"),
    ("Who is in charge of Ada?", "Who is in the charge of Ada?"),
    ("Who is paid for travel?", "Who's paid for travel?"),
    ("What is my limit?", "What is your limit?"),
    ("May I fly business class?", "Must I fly business class?"),
    ("Who approves travel?", "Who approved travel?"),
    ("What is the rule?", "What was the rule?"),
    ("When is the office open?", "Where is the office open?"),
    ("Is breakfast paid in or out of office hours?", "Is breakfast paid in and out of office hours?"),
    ("Is the hepatitis a vaccine free?", "Is the hepatitis vaccine free?"),
    ("Where is the security policy?", "Where is the securities policy?"),
    ("Where is the contract term?", "Where is the contract terms?"),
    ("How long is maternity leave?", "How long is paternity leave?"),
    ("How long is annual leave?", "How long is sick leave?"),
    # other languages
    ("Bezahlt der Chef den Gast?", "Bezahlt den Chef der Gast?"),
    ("Was gilt in Maßen?", "Was gilt in Massen?"),
    ("Wer gehört der Gruppe an?", "Wer gehört der Gruppe a?"),
    ("Ist das erlaubt?", "Ist das nicht erlaubt?"),
    ("Où est le poste ?", "Où est la poste ?"),
    ("¿Cuántos años dura?", "¿Cuántos anos dura?"),
    ("巴黎的酒店限额是多少？", "东京的酒店限额是多少？"),
)
"""Neither may be answered as the other was."""

MISSED = (
    ("What is the hotel limit in Paris?", "In Paris, what is the hotel limit?"),
    ("What is the hotel limit in Paris?", "What is hotel limit in Paris?"),
    ("What is the hotel limit in Paris?", "What are the hotel limits in Paris?"),
    ("How many days of annual leave do I get?", "How many annual leave days do I get?"),
    ("How many days of annual leave do I get?", "How many vacation days do I get?"),
    ("Who approves business class?", "By whom is business class approved?"),
)
"""The same for people. No rule sees it without taking pairs of the other list for the same, too."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair and what was found about it."""

    first: str
    second: str
    expected: bool | None
    """None: it is known to be missed."""
    same: bool
    """By the rule."""
    by_exact_form: bool
    cosine: float


def judged(embedder: LocalEmbedder) -> list[Judged]:
    """Every pair."""
    found = []
    for expected, pairs in ((True, SAME), (False, DIFFERENT), (None, MISSED)):
        for first, second in pairs:
            one, other = question_forms(first), question_forms(second)
            vectors = embedder.embed([first, second])
            cosine = float(np.dot(vectors[0], vectors[1]))
            by_exact_form = one.exact == other.exact
            same = by_exact_form or one.near == other.near
            found.append(Judged(first, second, expected, same, by_exact_form, cosine))
    return found


def main() -> None:
    """Prints the table."""
    pairs = judged(LocalEmbedder.load())
    for pair in pairs:
        rule = "exact" if pair.by_exact_form else "near" if pair.same else "-"
        wrong = "missed" if pair.expected is None else "" if pair.same == pair.expected else "WRONG"
        print(f"{rule:5}  {pair.cosine:6.3f}  {pair.first!r}  {pair.second!r}  {wrong}")
    near = [pair.cosine for pair in pairs if pair.same and not pair.by_exact_form]
    others = [pair.cosine for pair in pairs if pair.expected is False]
    print(f"\nlowest cosine of questions in nearly the same words: {min(near):.3f} ({len(near)} pairs)")
    print(f"highest of different questions: {max(others):.3f} ({len(others)} pairs)")
    missed = sum(cosine >= min(near) for cosine in others)
    print(f"different questions a threshold of {min(near):.3f} alone would have taken for the same: {missed}")


if __name__ == "__main__":
    main()
