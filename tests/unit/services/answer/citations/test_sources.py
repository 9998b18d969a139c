import pytest

from services.answer.citations.markers import Marker
from services.answer.citations.sources import SourceResolver
from tests.unit.services.answer.citations.support import passage

PASSAGES = [
    passage("x", "a.md"),
    passage("y", "docs/Report 2024, final.pdf"),
    passage("z", "a.md", before="123"),
    passage("w", 'the "plan".txt'),
]


@pytest.mark.parametrize(
    ("written", "sources", "unknown"),
    [
        ("a.md", [(0, 2)], False),
        ("A.MD", [(0, 2)], False),
        ("a.md, page 3", [(0, 2)], False),
        ("a.md (p. 3)", [(0, 2)], False),
        ("`a.md`", [(0, 2)], False),
        ("Report 2024, final.pdf", [(1,)], False),
        ("/srv/docs/report 2024, final.pdf", [(1,)], False),
        ("a.md; Report 2024, final.pdf", [(0, 2), (1,)], False),
        ("the 'plan'.txt", [(3,)], False),
        ("invented.pdf", [], True),
        ("a", [], True),
    ],
)
def test_file_names_are_resolved(written: str, sources: list[tuple[int, ...]], unknown: bool) -> None:
    assert SourceResolver(PASSAGES).resolve(Marker("", 0, filename=written)) == (sources, unknown)


def test_a_list_with_one_invented_file_is_known_and_unknown() -> None:
    found, unknown = SourceResolver(PASSAGES).resolve(Marker("", 0, filename="a.md; invented.pdf"))
    assert (found, unknown) == ([(0, 2)], True)


def test_numbers_outside_the_passages_are_unknown() -> None:
    assert SourceResolver(PASSAGES).resolve(Marker("", 0, (4, 5, 0))) == ([(3,)], True)
