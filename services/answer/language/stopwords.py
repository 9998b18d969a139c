"""Words that carry no topic of their own, in the languages the index stems best.

Small on purpose: what is missing costs little, because a word that stands in most sentences weighs
little anyway. Words that are function words in one language and carry meaning in English ("war", "die",
"man", "come") are left out for the same reason.
"""

from __future__ import annotations

from services.answer.language.folding import fold

_ENGLISH = """
a an the and or but nor so yet if then than that this these those there here
i me my mine we us our ours you your yours he him his she her hers it its they them their theirs one
is are am was were be been being have has had having do does did done doing can could may might must
shall should will would ought
of in on at by to from for with without into onto about as per via up down out off over under again
between among during before after since until till while through against within upon toward towards
not no any some each every either neither both all such same other another only just also too very
more most less least much many few own ever never always still already even
who whom whose which what when where why how
s t d ll re ve m don doesn didn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn
please tell give show list name say know want get got let
etc ie eg vs
"""
_GERMAN = """
der das den dem des ein eine einer eines einem einen und oder aber nicht ist sind waren wird werden
wurde wurden haben hatte hatten kann können muss müssen soll sollen darf dürfen ich sie es wir ihr
mein dein sein unser euer von zu zum zur im in am an auf aus bei für nach über unter durch als auch
nur noch wie wer was wann wo warum welche welcher welches sich dass wenn
"""
_FRENCH = """
le la les un une des de et ou mais ne est sont était étaient a ont avait il elle ils elles je
nous vous ce cet cette ces sa ses leur leurs mon ma dans par avec sans à au
que qui quoi quand où comment pourquoi quel quelle quels quelles combien se y
"""
_SPANISH = """
el los las unos unas y o pero es era eran ha han fue fueron será que quien qué quién cuándo
cuando dónde donde cómo como cuál cuánto cuántos por para con sin sobre entre al del su sus mi
nuestro se lo más
"""
_ITALIAN_PORTUGUESE = """
il lo gli uno e ma non è sono era che chi quando dove perché quale quanto di da nel nella con su tra
uma os da das na nos nas com sem não são foi qual quanto onde
"""

ENGLISH = frozenset(_ENGLISH.split())
"""English function words."""

STOP_WORDS = frozenset(
    fold(word)
    for words in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN_PORTUGUESE)
    for word in words.split()
)
"""Function words of English, German, French, Spanish, Italian and Portuguese, folded."""

CAPITALISING = (
    frozenset(map(fold, _GERMAN.split()))
    - frozenset(
        fold(word) for words in (_ENGLISH, _FRENCH, _SPANISH, _ITALIAN_PORTUGUESE) for word in words.split()
    )
    - {"am"}
)
"""Function words of German alone: in a text with one of them every noun has a capital."""
