"""Search by words finds writing without spaces, and identifiers as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE
from tests.rpc.retrieval_support import Draft, running

PASSAGES = [
    "深度学习是机器学习的一个分支，使用多层神经网络来学习数据的表示。",
    "今天的天气很好，我们一起去公园散步，然后吃了一顿午饭。",
    "東京は日本の首都で、人口は約千四百万人です。",
    "京都には古い寺がたくさんあります。",
    "กรุงเทพมหานครเป็นเมืองหลวงและมีประชากรประมาณสิบล้านคน",
    "วันนี้อากาศดีมากและเราไปเดินเล่นในสวน",
    "서울은 대한민국의 수도이며 인구는 약 천만 명이다.",
    "부산은 바다가 아름다운 도시이다.",
    "安装 Kubernetes 1.30 之前请先关闭交换分区。",
    "Error ERR-4512 means that the disk is full.",
    "ERR codes above 4512 are reserved. There are ERR codes for ERR handling, up to 4512 of them.",
    "The limits are given in § 12.3 of the contract.",
    "On 12 March and on 3 May there were 12 and 3 visitors.",
    "Certified by ISO-9001:2015 since last year.",
    "The ISO was founded long before 2015; it has 9001 members. ISO, ISO.",
    "Fixed in v2.3.1 of the driver.",
    "In v2 there were 3 faults in 1 file, v2 being the last with 3 or 1.",
    "Set max_open_files in the settings.",
    "Open files count; the max of open files is the max there can be.",
    "Revenue was 1,234.5 million.",
]


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("什么是深度学习？", 0),
        ("公园", 1),
        ("東京の人口はどれくらいですか", 2),
        ("寺", 3),
        ("ประชากรของกรุงเทพ", 4),
        ("서울의 인구는?", 6),
        ("如何安装Kubernetes 1.30?", 8),
        ("What does ERR-4512 mean?", 9),
        ("Which limits does § 12.3 give?", 11),
        ("Who is certified by ISO 9001:2015?", 13),
        ("ISO-9001:2015", 13),
        ("What was fixed in v2.3.1?", 15),
        ("max_open_files", 17),
        ("1234.5", 19),
    ],
)
async def test_the_passage_comes_first(question: str, number: int, tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        await client.upload(Draft("all.txt", PASSAGES))
        found = await client.search(question, mode=SEARCH_MODE_SPARSE)
        assert found[0].text == PASSAGES[number]
        assert found[0].score > 0.1
