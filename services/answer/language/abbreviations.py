"""Words that carry a full stop without ending a sentence."""

from __future__ import annotations

_NEVER_LAST = """
mr mrs ms dr prof st sr sra srta dra rev hon gen col capt cmdr lt sgt maj adm gov sen rep pres mme mlle
fr hr messrs mt vs eg ie zb dh ua bzw ca cf approx resp hl abb
"""
_BEFORE_NUMBER = """
fig figs eq eqs sec sect ch chap vol pp p art par para ex ext pos nr no nos ref tab abs kap ziff s pag núm c
circa
"""
_SOMETIMES_LAST = """
jr inc ltd co corp plc llc dept univ assn bros est ed eds al etc usw jan feb mar apr jun jul aug sept sep oct
nov dec mon tue tues wed thu thurs fri sat sun ave blvd rd av approx misc max min tel
"""

ABBREVIATIONS: dict[str, str] = {
    **dict.fromkeys(_SOMETIMES_LAST.split(), "sometimes last"),
    **dict.fromkeys(_NEVER_LAST.split(), "never last"),
    **dict.fromkeys(_BEFORE_NUMBER.split(), "before number"),
}
"""Lower-case abbreviation without dots → `never last` in a sentence, so only when a number follows
(`before number`), or `sometimes last`."""

_MONTHS = """
january february march april may june july august september october november december
januar jänner februar märz mai juni juli oktober dezember
janvier février mars avril juin juillet août septembre octobre novembre décembre
januari februari maart augustus enero febrero marzo abril mayo junio julio agosto septiembre octubre
noviembre diciembre jahrhundert jahrhunderts
"""
MONTHS = frozenset(_MONTHS.split())
"""Words before which a number with a full stop is an ordinal."""

_STARTERS = """
The This That These Those There It Its He His She Her They Their We Our You Your I In On At By For From
With Without When While Where As After Before During Since If Although However But And Or So Then Thus
Such Some Many Most All Both Each Every Another Other Not No One Two What Which Who How Why Today
Der Die Das Ein Eine Es Er Sie Wir Im Am Bei Nach Für Mit Wenn
Le La Les Un Une Il Elle Ils Nous Ce Cette Dans En El Los Las Una En Esta Este
"""
SENTENCE_STARTERS = frozenset(_STARTERS.split())
"""Words with a capital that tell a sentence's beginning from a name's continuation."""
