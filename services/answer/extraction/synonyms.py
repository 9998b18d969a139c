"""Words a question and its answer often use for the same thing.

General English and the language of organisations, small enough to read; each line is one group. A match
through this list counts less than the same word (see `features.py`).
"""

from __future__ import annotations

from services.answer.language.stemming import root, stem

_GROUPS = """
found establish create form set start begin institute launch origin origination commence inception
end finish stop conclude terminate cease close expire
build construct erect develop invent design engineer
make produce manufacture cause generate yield result lead create
buy purchase acquire procure
sell sale market
big large great huge major
small little minor tiny
high tall height elevate
long length duration last
old age ancient early
new recent modern novel
quick fast rapid speed
begin start onset outset
die death kill perish fatal
birth born native
live reside inhabit dwell residence home settle
locate situate location place site position sit lie
move relocate migrate transfer emigrate immigrate emigre
job work employ occupation profession role position career
worker employee staff personnel workforce
boss manager supervisor head lead leader chief director
salary pay wage income compensation remuneration earn
cost price fee charge rate expense
money fund finance cash budget
repay reimburse refund compensate
vacation holiday leave absence
sick ill illness disease sickness
doctor physician medical
allow permit enable let authorise authorize approve approval consent permission
forbid ban prohibit disallow prevent outlaw
need require must necessary mandatory obligatory requirement
help assist support aid
use utilise utilize employ apply
keep retain store maintain preserve
get receive obtain gain acquire
give grant award provide supply offer donate
send submit transmit deliver dispatch
ask request apply enquire
answer reply respond response
show display demonstrate reveal illustrate
say state claim argue assert declare mention
call name term title refer know dub entitle
type kind sort form variety category class
part portion share section component piece
goal aim purpose objective intend intention
reason cause because motive
change alter modify amend amendment revise
grow increase rise expand growth raise
fall decrease decline drop reduce reduction lower shrink
win victory defeat beat triumph
war battle conflict fight combat
attack assault invade invasion raid
rule govern reign control administer
king monarch ruler crown royal
country nation state land
city town village municipality
area region zone territory district
house home building residence dwelling
school university college academy institution
student pupil learner
teacher professor lecturer instructor teach
study research investigate examine
test exam trial experiment
law act statute legislation rule regulation
court judge tribunal justice
agree agreement treaty contract pact accord
problem issue difficulty trouble challenge
error fault mistake bug defect failure
danger risk hazard threat
safe secure safety security protect
car vehicle automobile auto
trip travel journey
computer machine device
network internet web
message packet data
picture image photo
book publication write author
child kid young
woman female
man male
people population inhabitant
group organisation organization body association
member participant belong
famous notable prominent renowned known celebrated
important significant main major key primary chief
first initial original earliest
last final latest
many numerous several
near close nearby adjacent
similar alike resemble like
different differ distinct vary
join merge combine unite unify
split divide separate
choose select elect pick appoint
meet gather assemble convene meeting
happen occur take
begin initiate introduce introduction
replace substitute supersede succeed successor
publish release issue
pass adopt enact approve
refuse reject deny decline
contain include comprise consist hold
become turn evolve
believe think consider regard
yearly annual year
monthly month
weekly week
daily day
phone telephone extension
password credential login
hurt harm damage injure
"""


def _build() -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for line in _GROUPS.strip().splitlines():
        keys = {key for word in line.split() for key in (stem(word),)}
        for key in keys:
            groups.setdefault(key, set()).update(keys - {key})
    return {key: frozenset(others) for key, others in groups.items()}


SYNONYMS: dict[str, frozenset[str]] = _build()
"""Stem → stems of words that may stand for it."""


def related(key: str) -> frozenset[str]:
    """Stems that may stand for the word with this stem; empty when none is known."""
    return SYNONYMS.get(key) or SYNONYMS.get(root(key)) or frozenset()
