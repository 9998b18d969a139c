"""Words that carry no meaning in a question, and those a question begins with. Lower case.

Whatever is dropped must be safe to drop wherever the rules of `question_forms` do it: that is why there is no
list of stop words here. "not", "after" and "my" decide what is asked, German and French articles tell nouns
apart, and even "a" ("hepatitis a") and "the" ("in the office") do.
"""

from __future__ import annotations

from dataclasses import dataclass

Words = tuple[str, ...]


def _phrases(text: str) -> tuple[Words, ...]:
    """Phrases with commas between, the longest first."""
    return tuple(sorted((tuple(phrase.split()) for phrase in text.split(",")), key=len, reverse=True))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Courtesies:
    """What may stand around a question in one language."""

    before: tuple[Words, ...]
    """Counts as such before one of `openers` only: "hello" may also be a name."""
    behind: tuple[Words, ...]
    openers: frozenset[str]
    """Words a question, or a request, begins with."""


QUESTION_WORDS = _words("what who whom whose which when where why how")
"""English."""

VERBS_FIRST = _words(
    "is are was were am do does did has have had can could may might must shall should will would"
)
"""What an English question for yes or no begins with."""

COURTESIES = (
    Courtesies(  # English
        _phrases("hi, hello, hey, hi there, good morning, good afternoon, good evening, please, kindly"),
        _phrases(
            "please, thanks, thank you, many thanks, thanks a lot, thank you very much, thanks in advance"
        ),
        QUESTION_WORDS | VERBS_FIRST | _words("i let tell give list show name find explain describe"),
    ),
    Courtesies(  # German
        _phrases("hallo, guten tag, guten morgen, guten abend, bitte"),
        _phrases("bitte, danke, vielen dank, danke im voraus"),
        _words(
            "wer wen wem wessen was welche welcher welches welchen welchem wann wo woher wohin warum wieso "
            "wie ist sind war waren hat haben kann können darf dürfen muss müssen soll sollen gibt gilt nenne"
        ),
    ),
    Courtesies(  # French
        _phrases("bonjour, bonsoir, s'il vous plaît, s'il te plaît"),
        _phrases("s'il vous plaît, s'il te plaît, merci, merci beaucoup, merci d'avance"),
        _words("qui que quel quelle quels quelles quand où pourquoi comment combien est-ce"),
    ),
    Courtesies(  # Spanish
        _phrases("hola, buenos días, buenas tardes, por favor"),
        _phrases("por favor, gracias, muchas gracias"),
        _words("quién quiénes qué cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas"),
    ),
    Courtesies(  # Italian
        _phrases("ciao, buongiorno, buonasera, per favore"),
        _phrases("per favore, grazie, grazie mille"),
        _words("chi cosa quale quali quando dove perché quanto quanta quanti quante"),
    ),
    Courtesies(  # Portuguese
        _phrases("olá, bom dia, boa tarde, por favor"),
        _phrases("por favor, obrigado, obrigada"),
        _words("quem qual quais quando onde como quanto quanta quantos quantas"),
    ),
)

LEAD_INS = _phrases(
    "tell me, can you tell me, could you tell me, will you tell me, would you tell me, "
    "can you please tell me, could you please tell me, would you please tell me, "
    "i want to know, i need to know, i would like to know, i'd like to know, let me know, do you know"
)
"""What may stand before an English question word."""

COPULAS = _words("is are was were")

SHOUTED_NAMES = _words("it us who or in me is as so no do be on at an by to we he")
"""Function words whose capitals are a name: IT, US, WHO."""

CONTRACTIONS: dict[str, Words] = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "i'm": ("i", "am"),
}
CONTRACTED_ENDINGS = {"n't": "not", "'re": "are", "'ve": "have", "'ll": "will"}
WORDS_WITH_IS = _words("what who where when why how that there here it he she")
"""`'s` behind these is "is" or "has"; behind others it is a genitive."""
NOUN_OPENERS = _words("the a an my our your his her their this that these those")
"""Before these it is "is"; before others, who's paid may mean who has."""
