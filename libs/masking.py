"""Takes secrets and personal data out of what is written to a log.

A net, not a wall: it knows the common forms. What must not be logged is not handed to the log in the first
place; this catches what an error message of somebody else's quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What a kind leaves in the place of a find. Order counts: the first alternative that fits at a place wins.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("private_key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("credentials", r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    ("token", r"(?<![A-Za-z])(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    ("token", r"(?i:(?<=authorization: )token\s+[^\s\"',;]{8,})"),
    ("token", r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    (
        "key",
        r"(?<![A-Za-z0-9])(?:"
        r"sk-[A-Za-z0-9_-]{8,}"  # OpenAI, Anthropic
        r"|[sr]k_(?:live|test)_[A-Za-z0-9]{8,}"  # Stripe
        r"|(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS
        r"|AIza[\w-]{30,}"  # Google
        r"|gh[a-z]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
        r"|xox[a-z]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}|dq_[A-Za-z0-9_-]{16,}"
        r")",
    ),
    (
        "secret",
        r"(?P<name>(?i:(?<![A-Za-z])(?:api[ _-]?key|password|passwd|pwd|passphrase"
        r"|secret(?:_access)?(?:_key)?|(?:access|refresh|auth|session|id|bearer)[ _-]?token"
        r"|token(?==)|session(?==)))"
        r"[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]{4,}",
    ),
    (
        "email",
        r"(?<![\w.+-])[\w.+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])",
    ),
    ("iban", r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
    ("id", r"(?<![\w.,:+-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-])"),  # social security, US
    ("card", r"(?<![\w.,:+-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-]|[.,][0-9])"),
    (
        "phone",
        r"(?<![\w.+:/-])(?:"
        r"\+[1-9](?:[ ./()-]{0,2}[0-9]){6,14}"  # +49 30 1234567
        r"|\(0?[0-9]{2,4}\)[ -]?[0-9]{2,4}(?:[ -]?[0-9]{2,5}){1,3}"  # (212) 555-0100
        r"|0[1-9][0-9]{1,4}(?:[ /-][0-9]{2,8}){1,4}"  # 030 1234567
        r"|[2-9][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4}"  # 212-555-0100
        r")(?![\w-])",
    ),
)
_ANY = re.compile("|".join(f"(?P<{kind}_{index}>{form})" for index, (kind, form) in enumerate(_PATTERNS)))
_SHORTEST = 7
_DEEPEST = 6


def mask_text(text: str) -> str:
    """`text` with every find replaced by its kind in brackets: `[email]`, `[phone]`, `[card]`, `[key]`."""
    return text if len(text) < _SHORTEST else _ANY.sub(_replacement, text)


def mask_value(value: Any, depth: int = 0) -> Any:
    """The same for every text within mappings, lists and tuples; other values stay as they are."""
    if isinstance(value, str):
        return mask_text(value)
    if depth >= _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {mask_value(key, depth + 1): mask_value(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_value(inner, depth + 1) for inner in value]
    return value


def _replacement(match: re.Match[str]) -> str:
    kind = (match.lastgroup or "").rpartition("_")[0]
    check = _CHECKS.get(kind)
    if check is not None and not check(match.group()):
        return match.group()
    return f"{match['name'] or ''}[{kind}]"


def _is_card(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, character in enumerate(reversed([c for c in digits if c.isdigit()])):
        number = int(character) * (1 + index % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _is_iban(written: str) -> bool:
    """Whether the check digits are right (ISO 13616-1, 6)."""
    plain = written.replace(" ", "")
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


_CHECKS = {"card": _is_card, "iban": _is_iban}
