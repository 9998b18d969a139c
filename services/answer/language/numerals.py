"""Numbers written in Chinese characters, as digits: `二十四个月` says 24."""

from __future__ import annotations

import re

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
    "兩": 2,
}
_TENS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_ALL = "".join((*_DIGITS, *_TENS, *_MYRIADS))
_UNITS = "个個年月日天周时時分秒元块角岁歲倍次条條章项項页頁人名円歳回号號"
# A single character is a number only beside a unit, or counting: 一 stands in many words that are none.
_NUMERAL = re.compile(rf"[{_ALL}]{{2,}}|(?<=第)[{_ALL}]|[{_ALL}](?=[{_UNITS}])")


def chinese_numbers(text: str) -> frozenset[str]:
    """The numbers of a text in digits."""
    return frozenset(str(_value(match.group())) for match in _NUMERAL.finditer(text))


def _value(numeral: str) -> int:
    if not any(character in _TENS or character in _MYRIADS for character in numeral):
        return int("".join(str(_DIGITS[character]) for character in numeral))  # 二〇二四, digit by digit
    total = section = digit = 0
    for character in numeral:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _TENS:
            section += (digit or 1) * _TENS[character]
            digit = 0
        else:
            total = (total + section + digit) * _MYRIADS[character] or _MYRIADS[character]
            section = digit = 0
    return total + section + digit
