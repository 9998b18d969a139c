"""English words whose forms no rule connects."""

from __future__ import annotations

_GROUPS = """
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

IRREGULAR = {form: group.split()[0] for group in _GROUPS.strip().splitlines() for form in group.split()}
"""Form → the first form of its group: `wrote` → `write`, `children` → `child`."""
