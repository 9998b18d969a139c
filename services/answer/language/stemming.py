"""Stems of words: a small suffix stripper for English that leaves other languages nearly alone.

Two depths. `stem` takes off inflection only, so that "located" and "locates" meet; `root` takes off
derivation too, so that "invention" meets "inventor" (used as a weaker match). Both are keys for
comparing words, not words themselves.

Full Snowball stemming in Python costs about 30 µs a word, several times the whole time allowed for an
extractive answer; this costs about 1 µs and is remembered per word.
"""

from __future__ import annotations

import re
from functools import lru_cache

_VOWEL = re.compile("[aeiouy]")
_DOUBLED = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_CACHE_SIZE = 65_536  # distinct words remembered; about 10 MB when full

_IRREGULAR_GROUPS = """
be am is are was were been being
have has had having
do does did done doing
go goes went gone going
say said
make made
get got gotten
know knew known
think thought
take took taken
see saw seen
come came
become became
give gave given
find found
tell told
feel felt
leave left
bring brought
begin began begun
keep kept
hold held
write wrote written
stand stood
understand understood
hear heard
mean meant
meet met
run ran
pay paid
sit sat
speak spoke spoken
lie lay lain
lead led
grow grew grown
lose lost
fall fell fallen
send sent
build built
draw drew drawn
break broke broken
spend spent
rise rose risen
drive drove driven
buy bought
wear wore worn
choose chose chosen
win won winning
teach taught
catch caught
fight fought
seek sought
sell sold
shoot shot
sing sang sung
sink sank sunk
sleep slept
steal stole stolen
strike struck stricken
swear swore sworn
swim swam swum
throw threw thrown
wake woke woken
withdraw withdrew withdrawn
overthrow overthrew overthrown
undergo underwent undergone
undertake undertook undertaken
arise arose arisen
bear bore born borne
bind bound
bite bit bitten
blow blew blown
breed bred
cling clung
creep crept
deal dealt
dig dug
drink drank drunk
eat ate eaten
feed fed
flee fled
fly flew flown
forbid forbade forbidden
forget forgot forgotten
forgive forgave forgiven
freeze froze frozen
hang hung
hide hid hidden
lay laid
lend lent
light lit
ride rode ridden
ring rang rung
shake shook shaken
shine shone
show showed shown
shrink shrank shrunk
slide slid
spin spun
spring sprang sprung
stick stuck
swing swung
tear tore torn
weep wept
weave wove woven
wind wound
man men
woman women
child children
person people persons
foot feet
tooth teeth
mouse mice
goose geese
life lives
wife wives
leaf leaves
half halves
self selves
knife knives
die died dying dies dead death
good better best
bad worse worst
analysis analyses
basis bases
crisis crises
thesis theses
phenomenon phenomena
criterion criteria
datum data
medium media
index indices indexes
matrix matrices
high height
long length
wide width
deep depth
strong strength
"""

_IRREGULAR = {
    form: group.split()[0] for group in _IRREGULAR_GROUPS.strip().splitlines() for form in group.split()
}

_DERIVATIONS = (
    "ization",
    "isation",
    "ational",
    "fulness",
    "ousness",
    "iveness",
    "ibility",
    "ability",
    "ication",
    "ation",
    "ition",
    "ement",
    "ality",
    "ivity",
    "ative",
    "itive",
    "iness",
    "ship",
    "ment",
    "ness",
    "ance",
    "ence",
    "able",
    "ible",
    "less",
    "ical",
    "ious",
    "tion",
    "sion",
    "ism",
    "ist",
    "ity",
    "ive",
    "ous",
    "ful",
    "ant",
    "ent",
    "ian",
    "ion",
    "ure",
    "ate",
    "ize",
    "ise",
    "ify",
    "ary",
    "ory",
    "er",
    "or",
    "al",
    "an",
    "ic",
    "th",
)
_ROOT_MINIMUM = 3  # letters that must remain
_ROOT_LENGTH = 7  # longer roots are cut: compounds and foreign endings differ only at the end


@lru_cache(maxsize=_CACHE_SIZE)
def stem(word: str) -> str:
    """The inflectional stem of a lower-case word: `located` → `locat`, `wrote` → `writ`.

    Words of up to three letters, and words with a digit or without Latin letters, stay as they are.
    """
    word = _IRREGULAR.get(word, word)
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    word = _without_plural(word)
    word = _without_verb_ending(word)
    if word.endswith("ly") and len(word) > 5:
        word = word[:-2]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("y"):
        word = word[:-1] + "i"
    return word


@lru_cache(maxsize=_CACHE_SIZE)
def root(word: str) -> str:
    """The derivational root of a stem from `stem`: `invention`, `inventor`, `invent` → `invent`.

    At least three letters remain, at most seven are kept.
    """
    if not word.isascii():
        return word[:_ROOT_LENGTH]
    for suffix in _DERIVATIONS:
        for ending in (suffix, suffix[:-1] + "i" if suffix.endswith("y") else suffix.removesuffix("e")):
            if word.endswith(ending) and len(word) - len(ending) >= max(_ROOT_MINIMUM, len(ending) - 2):
                return word[: -len(ending)][:_ROOT_LENGTH]
    return word[:_ROOT_LENGTH]


def _without_plural(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _without_verb_ending(word: str) -> str:
    for ending in ("ing", "ied", "ed"):
        if not word.endswith(ending):
            continue
        bare = word[: -len(ending)]
        if len(bare) < 3 or not _VOWEL.search(bare):
            return word
        if ending == "ied":
            return bare + "y"
        if bare.endswith("ee"):  # agreed → agree
            return bare
        if bare.endswith(_DOUBLED) and len(bare) > 3:
            return bare[:-1]
        return bare
    return word
