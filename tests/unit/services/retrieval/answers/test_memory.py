"""Answers are found where they were put, and go when they are old, or when there are too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from services.retrieval.answers.memory import Answer, AnswerMemory, Kept, Place
from services.retrieval.answers.question_forms import question_forms

HERE = Place("acme", "r1", b"key")


def answer(question: str, size: int = 100) -> Answer:
    return Answer(question, frozenset({("d", "v")}), b"x" * size)


class Bench:
    def __init__(self, max_entries: int = 100, max_bytes: int = 10**9, ttl_seconds: float = 60) -> None:
        self.clock = ManualClock()
        self.memory = AnswerMemory(
            self.clock, ttl_seconds=ttl_seconds, max_entries=max_entries, max_bytes=max_bytes
        )

    def put(self, question: str, place: Place = HERE, size: int = 100) -> Answer:
        kept = answer(question, size)
        self.memory.put(place, question_forms(question), kept)
        return kept

    def find(self, question: str, place: Place = HERE) -> Answer | None:
        return content(self.memory.find(place, question_forms(question)))

    def find_near(self, question: str, place: Place = HERE) -> Answer | None:
        return content(self.memory.find_near(place, question_forms(question)))


def content(kept: Kept | None) -> Answer | None:
    return kept.answer if kept else None


def test_an_answer_is_found_by_its_question_and_by_one_that_is_nearly_the_same() -> None:
    bench = Bench()
    stored = bench.put("What is the limit?")
    assert bench.find("what is  the LIMIT") is stored
    assert bench.find("Hello, what is the limit?") is None
    assert bench.find_near("Hello, what is the limit?") is stored
    assert bench.find_near("What was the limit?") is None


def test_nothing_is_found_under_another_tenant_revision_or_key() -> None:
    bench = Bench()
    bench.put("What is the limit?")
    for place in (HERE._replace(tenant="other"), HERE._replace(revision="r2"), HERE._replace(key=b"k2")):
        assert bench.find("What is the limit?", place) is None
        assert bench.find_near("What is the limit?", place) is None


def test_a_new_revision_ends_all_answers_of_its_tenant_and_no_others() -> None:
    bench = Bench()
    other = HERE._replace(tenant="other")
    bench.put("Old?")
    kept = bench.put("Old?", other)
    new = HERE._replace(revision="r2")
    bench.put("New?", new)
    assert bench.find("Old?") is None
    assert bench.find("Old?", new) is None
    assert bench.find("New?", new) is not None
    assert bench.find("Old?", other) is kept
    assert len(bench.memory) == 2


def test_an_answer_goes_when_its_time_is_over_however_often_it_was_used() -> None:
    bench = Bench(ttl_seconds=60)
    bench.put("What is the limit?")
    bench.clock.advance(59.9)
    assert bench.find("What is the limit?") is not None
    bench.clock.advance(0.1)
    assert bench.find_near("What is the limit?") is None
    assert len(bench.memory) == bench.memory.size_bytes == 0


def test_a_second_answer_takes_the_place_of_the_first() -> None:
    bench = Bench()
    bench.put("What is the limit?", size=5000)
    bench.clock.advance(40)
    newer = bench.put("what is the limit")
    bench.clock.advance(40)
    assert bench.find("What is the limit?") is newer
    assert len(bench.memory) == 1


def test_the_least_recently_used_answer_goes_first() -> None:
    bench = Bench(max_entries=2)
    bench.put("One?")
    bench.put("Two?")
    bench.find("One?")
    bench.put("Three?")
    assert bench.find("Two?") is None
    assert bench.find("One?") is not None
    assert bench.find("Three?") is not None


def test_a_tenant_that_asks_much_takes_nothing_from_one_that_asks_little() -> None:
    """Neither by many answers nor by large ones."""
    quiet = HERE._replace(tenant="quiet")
    for bench, size in ((Bench(max_entries=10), 100), (Bench(max_bytes=100_000), 20_000)):
        for number in range(3):
            bench.put(f"Question {number}?", quiet)
        for number in range(200):
            bench.put(f"Question {number}?", HERE, size)
        assert all(bench.find(f"Question {number}?", quiet) for number in range(3))
        assert bench.find("Question 199?") is not None
        assert bench.find("Question 0?") is None


def test_a_dropped_answer_is_gone_and_a_newer_one_is_left_alone() -> None:
    bench = Bench()
    bench.put("What is the limit?")
    found = bench.memory.find(HERE, question_forms("What is the limit?"))
    assert found is not None
    newer = bench.put("What is the limit?")
    bench.memory.drop("acme", found)
    assert bench.find("What is the limit?") is newer
    again = bench.memory.find(HERE, question_forms("What is the limit?"))
    assert again is not None
    bench.memory.drop("acme", again)
    bench.memory.drop("acme", again)
    assert bench.find("What is the limit?") is None
    assert len(bench.memory) == bench.memory.size_bytes == 0


actions = st.tuples(
    st.sampled_from(["put", "find", "near", "drop", "wait"]),
    st.sampled_from(["a", "b", "c"]),  # tenant
    st.sampled_from(["r1", "r2"]),
    st.sampled_from(["one", "two", "hello what is it", "what is it", "the two"]),
    st.integers(0, 3000),
)


@given(st.lists(actions, max_size=60))
def test_after_any_course_of_events_bounds_hold_and_nothing_wrong_is_found(
    course: list[tuple[str, str, str, str, int]],
) -> None:
    bench = Bench(max_entries=5, max_bytes=12_000, ttl_seconds=100)
    stored: dict[tuple[str, str, str], tuple[Answer, float]] = {}
    for action, tenant, revision, question, size in course:
        place, forms = Place(tenant, revision, b"k"), question_forms(question)
        if action == "put":
            stored[tenant, revision, forms.exact] = bench.put(question, place, size), bench.clock.monotonic()
        elif action == "wait":
            bench.clock.advance(size / 50)
        else:
            find = bench.memory.find_near if action == "near" else bench.memory.find
            kept = find(place, forms)
            if kept is not None:
                found = question_forms(kept.answer.question)
                assert found.near == forms.near
                newest, since = stored[tenant, revision, found.exact]
                assert kept.answer is newest
                assert bench.clock.monotonic() - since < 100
                if action == "drop":
                    bench.memory.drop(tenant, kept)
        assert len(bench.memory) <= 5
        assert bench.memory.size_bytes <= 12_000
        assert (len(bench.memory) == 0) == (bench.memory.size_bytes == 0)
