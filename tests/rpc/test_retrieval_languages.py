"""Documents in several languages: each found by the words of its own, none disturbed by the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from docuquery.common.v1 import passage_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.contract.store_targets import Targets
from tests.rpc.retrieval_support import Client, Draft, running, where

WORDS = passage_pb2.SEARCH_MODE_SPARSE

# Of each language: a text, another one, and a question with other forms of the first one's words.
SENTENCES = {
    "da": ("Kontrakterne ligger i skabet.", "Bilerne er røde.", "Hvor er min kontrakt?"),
    "de": ("Die Verträge liegen im Schrank.", "Die Häuser sind rot.", "Wo ist der Vertrag?"),
    "en": ("Contracts are kept in the cabinet.", "The houses are red.", "Where is my contract?"),
    "es": ("Las reuniones son los lunes.", "Los coches son rojos.", "¿Cuándo es la reunión?"),
    "fi": ("Avaimet ovat toimistossa.", "Autot ovat punaisia.", "Missä on toimisto?"),
    "fr": ("Les livraisons arrivent au port.", "Les voitures sont rouges.", "Où est la livraison ?"),
    "hu": ("A szerződések a szekrényben vannak.", "Az autók pirosak.", "Hol van a szerződés?"),
    "it": ("I contratti sono nel cassetto.", "Le macchine sono rosse.", "Dov'è il contratto?"),
    "nl": ("De vergaderingen zijn op maandag.", "De huizen zijn rood.", "Wanneer is de vergadering?"),
    "no": ("Kontraktene ligger i skapet.", "Bilene er røde.", "Hvor er min kontrakt?"),
    "ro": ("Facturile sunt în dulap.", "Mașinile sunt roșii.", "Unde este factura?"),
    "ru": ("Договоры лежат в шкафу.", "Машины красные.", "Где мой договор?"),
    "sv": ("Fakturorna ligger i skåpet.", "Bilarna är röda.", "Var är min faktura?"),
    "tr": ("Sözleşmeler dolapta duruyor.", "Arabalar kırmızı.", "Sözleşme nerede?"),
    "ar": ("الاجتماعات تعقد صباح الاثنين.", "السيارات حمراء.", "متى اجتماع"),
}


def drafts(code: str) -> list[Draft]:
    first, other, _ = SENTENCES[code]
    return [
        Draft(f"{code}/right.txt", [first], language=code),
        Draft(f"{code}/other.txt", [other], language=code),
    ]


async def sources(client: Client, question: str, **fields: object) -> list[str]:
    return [passage.source for passage in await client.search(question, mode=WORDS, **fields)]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as service:
        yield service


@pytest.mark.parametrize("code", SENTENCES)
async def test_other_forms_of_a_word_are_found_and_small_words_are_not(client: Client, code: str) -> None:
    for draft in drafts(code):
        assert (await client.upload(draft)).document.language == code
    assert await sources(client, SENTENCES[code][2]) == [f"{code}/right.txt"]


async def test_all_languages_at_once(client: Client) -> None:
    """As many as are asked under; each is found by its own words."""
    some = ("ar", "de", "en", "es", "fr", "it", "ru", "tr")
    for code in some:
        for draft in drafts(code):
            await client.upload(draft)
    for code in some:
        assert await sources(client, SENTENCES[code][2]) == [f"{code}/right.txt"]


async def test_a_german_question_does_not_find_english_documents_by_its_small_words(client: Client) -> None:
    english = Draft(
        "fleet.txt", ["The captain will die in the war.", "He hung his hat on the bow."], language="en"
    )
    await client.upload(english)
    for draft in drafts("de"):
        await client.upload(draft)
    assert await sources(client, "Hat die Firma einen Vertrag, der im Schrank war?") == ["de/right.txt"]
    assert await sources(client, "Who will die in the war?") == ["fleet.txt"]


async def test_names_and_codes_are_found_in_any_language(client: Client) -> None:
    await client.upload(Draft("a", ["Der Fehler ERR-4512 im Kubernetes-Dienst."], language="de"))
    await client.upload(Draft("b", ["Erreur ERR-4512 du service Kubernetes."], language="fr"))
    await client.upload(Draft("c", ["The service is up."], language="en"))
    for question in ("ERR-4512", "What is wrong with Kubernetes?"):
        assert set(await sources(client, question)) >= {"a", "b"}


async def test_a_language_that_is_not_known_is_stemmed_as_the_stores_own(tmp_path: Path) -> None:
    async with running(tmp_path, bm25_language="german") as client:
        document = (await client.upload(Draft("a", ["Die Verträge liegen im Schrank."]))).document
        assert document.language == ""
        await client.upload(drafts("en")[0])
        assert await sources(client, "Vertrag") == ["a"]
        assert await sources(client, "contract") == ["en/right.txt"]


async def test_writing_without_spaces_needs_no_language(client: Client) -> None:
    await client.upload(Draft("zh", ["员工每年有三十天的年假。"], language="zh"))
    await client.upload(Draft("ja", ["会議は月曜日に開かれます。"], language="ja"))
    await client.upload(Draft("th", ["พนักงานมีวันลาพักร้อนสามสิบวันต่อปี"], language="th"))
    await client.upload(drafts("de")[0])
    assert (await sources(client, "年假有几天"))[0] == "zh"
    assert (await sources(client, "会議はいつ"))[0] == "ja"
    assert (await sources(client, "วันลาพักร้อน"))[0] == "th"


async def test_the_score_of_a_passage_does_not_depend_on_other_languages(client: Client) -> None:
    """What a passage matched, of what it could have matched, in its own language; both alike but for idf."""
    await client.upload(drafts("de")[0])
    await client.upload(Draft("de/wage.txt", ["Der Lohn kommt am Freitag."], language="de"))
    (before,) = await client.search("Vertrag Schrank", mode=WORDS)
    for code in ("en", "fr", "it", "ru"):
        for draft in drafts(code):
            await client.upload(draft)
    (after, *_) = await client.search("Vertrag Schrank", mode=WORDS)
    assert after.source == before.source == "de/right.txt"
    assert after.score == pytest.approx(before.score, abs=1e-3)


async def test_documents_are_filtered_by_language(client: Client) -> None:
    for code in ("de", "fr"):
        await client.upload(drafts(code)[0])
    await client.upload(Draft("none.txt", ["Contracts."]))
    assert [d.source for d in await client.list(filter=where("language", equals="fr"))] == ["fr/right.txt"]
    found = await client.search("Schrank port contract", filter=where("language", any_of=["fr", "german"]))
    assert {passage.source for passage in found} == {"de/right.txt", "fr/right.txt"}
    assert [d.source for d in await client.list(filter=where("language", exists=False))] == ["none.txt"]


async def test_a_code_that_is_none_is_refused(client: Client) -> None:
    begun = await client.begin(drafts("de")[0])
    for request in (
        pb.WriteChunksRequest(**{**fields_of(drafts("de")[0].piece(begun)), "language": "klingon"}),
        drafts("de")[0].commit(begun, language="German"),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await client.call(request)
        assert [violation.field for violation in caught.value.violations] == ["language"]


def fields_of(request: pb.WriteChunksRequest) -> dict[str, object]:
    return {field.name: value for field, value in request.ListFields()}


@pytest.mark.parametrize("engine", ["server", "cluster"])
async def test_a_new_language_is_found_at_once_by_every_replica(
    targets: Targets, engine: str, tmp_path: Path
) -> None:
    """Though another process indexed it, a moment after this one had read which languages there are."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(targets.unshared(engine, tmp_path))
        one, other = [
            await stack.enter_async_context(
                running(tmp_path / name, **targets.settings(engine, place), qdrant_shard_number=1)
            )
            for name in ("one", "other")
        ]
        for code in ("en", "de", "ru", "fr"):
            await other.search("warm up", mode=WORDS)
            for draft in drafts(code):
                await one.upload(draft)
            assert (await sources(other, SENTENCES[code][2]))[0] == f"{code}/right.txt"
