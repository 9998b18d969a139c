"""Secrets and personal data do not get into logs; what only looks a little like them does."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.masking import mask_text, mask_value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail Ann.B+x@mail.example.co.uk, please", "mail [email], please"),
        ("über@münchen.example", "[email]"),
        ("call +49 30 1234567, (212) 555-0100 or 212-555-0100", "call [phone], [phone] or [phone]"),
        ("Tel. 030/1234567; +1 (212) 555 0100.", "Tel. [phone]; [phone]."),
        ("card 4111 1111 1111 1111, 5500-0000-0000-0004.", "card [card], [card]."),
        ("Incorrect API key provided: sk-proj-abcDEF_1234567890.", "Incorrect API key provided: [key]."),
        ("sk-ant-api03-abcdefghijkl and AKIAIOSFODNN7EXAMPLE", "[key] and [key]"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]"),
        ("authorization: Bearer abc.def-123456==", "authorization: [token]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[token]"),
        ("redis://user:p4ss-word@host:6379/0", "redis://[credentials]@host:6379/0"),
        ("postgres://:p4ss@host/db", "postgres://[credentials]@host/db"),
        ('{"api_key": "abcd-1234", "n": 1}', '{"api_key": "[secret]", "n": 1}'),
        ("password=hunter22&user=x", "password=[secret]&user=x"),
        (
            "refresh_token: abcd1234, token=abcd1234, pwd=abcd",
            "refresh_token: [secret], token=[secret], pwd=[secret]",
        ),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtn/K7MDENG", "AWS_SECRET_ACCESS_KEY=[secret]"),
        ("Authorization: Token abcdefgh1234, sk_live_51Habcdef", "Authorization: [token], [key]"),
        ("to DE89 3704 0044 0532 0130 00 or GB29NWBK60161331926819.", "to [iban] or [iban]."),
        ("his number is 123-45-6789", "his number is [id]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\nend", "[private_key]\nend"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ cut", "[private_key]"),
    ],
)
def test_a_find_is_replaced_by_its_kind(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2f1c9a4e-0b7d-5c3e-9a1f-6d2b8e4c7a90",
        "12345678-1234-1234-1234-123456789012",
        "2026-01-31T12:00:00.123456Z, 2026-05-04 to 2026-05-06",
        "127.0.0.1:50051, [::1]:5000, 10.0.0.1/24",
        "4111-1111-1111-1112 has a wrong check digit",
        "DE88 3704 0044 0532 0130 00 has wrong check digits, AB12CD34EF56 is an order",
        "prompt_tokens=1810, first_token_ms: 401.7, the token stream, a session",
        "1,234,567,890,123 bytes in 12345678.123 ms",
        "pages 100-200-300, version 3.11.7, 5.5 %",
        "the password is wrong; the secret of success",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "user@localhost, @decorator, a@b",
        "/docuquery.gateway.v1.DocuQueryService/Query",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text


WORDS = st.text(string.ascii_letters + " ", max_size=30)
NAME = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
EMAILS = st.builds("{}.{}@{}.example".format, NAME, NAME, NAME)
KEYS = st.builds("sk-{}".format, st.text(string.ascii_letters + string.digits, min_size=20, max_size=60))
TOKENS = st.builds(
    "Bearer {}".format, st.text(string.ascii_letters + string.digits, min_size=16, max_size=60)
)
PHONES = st.builds(
    "+{} {} {}".format, st.integers(1, 99), st.integers(10, 999), st.integers(10_000, 9_999_999)
)


@st.composite
def cards(draw: st.DrawFn) -> str:
    digits = [draw(st.integers(0, 9)) for _ in range(15)]
    doubled = (2 * d - 9 * (d > 4) if i % 2 == 0 else d for i, d in enumerate(digits))
    digits.append(-sum(doubled) % 10)
    whole = "".join(map(str, digits))
    return draw(st.sampled_from(["", " ", "-"])).join(re.findall("....", whole))


@given(WORDS, EMAILS | KEYS | TOKENS | PHONES | cards(), WORDS)
def test_a_secret_between_words_is_found(before: str, secret: str, after: str) -> None:
    text = f"{before} {secret} {after}"
    masked = mask_text(text)
    assert secret not in masked
    assert masked.startswith(f"{before} [")
    assert masked.endswith(f"] {after}")


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@given(
    st.recursive(
        EMAILS | st.integers(),
        lambda inner: st.lists(inner, min_size=1) | st.dictionaries(EMAILS, inner, min_size=1),
        max_leaves=8,
    )
)
def test_texts_are_found_wherever_they_are_nested(value: object) -> None:
    assert not re.search(r"@\w+\.example", repr(mask_value(value))) or _depth(value) > 5


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "a@" * 50_000,
        "0" * 100_000,
        "+1" * 50_000,
        "1 " * 60_000,
        "://" * 40_000,
        "eyJ." * 40_000,
    ],
)
@pytest.mark.timeout(20)
def test_no_text_takes_long(text: str) -> None:
    mask_text(text)
