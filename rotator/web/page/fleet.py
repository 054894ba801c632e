"""The fleet: its picture, and every credential, the worst first, a page at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from htpy import Node, Renderable, a, br, button, caption, form, h2, nav, p, section, span, table, tbody, td, th, thead, tr
from htpy import input as input_
from htpy import label as label_

from rotator.core.credential import Credential
from rotator.core.policy import due_at
from rotator.core.snapshot import Adoption
from rotator.core.standing import Leaf, Place, Rank, Roll, share, written
from rotator.ledger.onlooker import Glance
from rotator.web.page import pictures
from rotator.web.page.frame import Visit
from rotator.web.page.words import from_now, length, moment, named, printed, said, toned

LEAF = 50

WORDS: Mapping[Rank, tuple[str, str]] = {
    Rank.WAITS: ("waits for a person", "bad"),
    Rank.LEAKED: ("leaked, not revoked", "bad"),
    Rank.UNPROVEN: ("revoked, not proven dead", "warn"),
    Rank.OVERDUE: ("overdue", "bad"),
    Rank.UNKNOWN: ("never seen", "warn"),
    Rank.LAGS: ("a dependent lags", "warn"),
    Rank.RESTS: ("rests", "quiet"),
}
"""What is said of each rank, and how loud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The fleet, and the part of it that is asked for: whose name holds these letters, of this rank, this page."""

    roll: Roll
    leaf: Leaf
    credentials: Mapping[str, Credential]
    glances: Mapping[str, Glance]
    holding: str = ""
    rank: Rank | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left out but what follows."""
        return not self.holding and self.rank is None and not self.leaf.before


COLUMNS = (("Credential", "who"), ("Age, of its cryptoperiod", "bar"), ("Last step", "wide"))


def fleet(visit: Visit, seen: Listing) -> Renderable:
    roll, leaf = seen.roll, seen.leaf
    return section(id="fleet")[
        h2["The fleet"],
        seen.whole
        and sum(roll.ages) > 0
        and [
            pictures.fleet(roll.ages, _in_words(roll)),
            p(class_="small quiet")[
                "Credentials by how much of their cryptoperiod is used up, in percent; those right of the line are past its end."
            ],
        ],
        _search(visit, seen),
        _rows(visit, seen)
        if leaf.places
        else p(class_="quiet")["No credential is so." if seen.holding or seen.rank is not None else "The settings name no credential yet."],
        _turning(visit, leaf),
    ]


def _in_words(roll: Roll) -> str:
    """The picture, for who does not see it."""
    over, young = sum(roll.ages[10:]), sum(roll.ages[:5])
    rest = sum(roll.ages) - over - young
    halves = f"{young:,} are in the first half of their cryptoperiod, {rest:,} in the second"
    return f"Of {sum(roll.ages):,} credentials {halves}, {over:,} past its end"


def _search(visit: Visit, seen: Listing) -> Renderable:
    only = seen.rank.name.lower() if seen.rank is not None else ""
    return form(method="get", action=visit.to() + "#fleet", role="search")[
        label_(for_="q")["Name holds"],
        input_(id="q", name="q", type="search", value=seen.holding, maxlength="100", autocomplete="off", spellcheck="false"),
        only and input_(type="hidden", name="only", value=only),
        button(type="submit")["Filter"],
        (seen.holding or only)
        and span[a(href=visit.to() + "#fleet")["Show all"], f" ({WORDS[seen.rank][0]})" if seen.rank is not None else None],
    ]


def _rows(visit: Visit, seen: Listing) -> Renderable:
    leaf = seen.leaf
    return table[
        caption[f"{leaf.before + 1:,} to {leaf.before + len(leaf.places):,} of {leaf.total:,}, the worst first"],
        thead[tr[(th(scope="col", class_=kind)[name] for name, kind in COLUMNS)]],
        tbody[(_row(visit, seen, place) for place in leaf.places)],
    ]


def _row(visit: Visit, seen: Listing, place: Place) -> Renderable:
    name, rank = place[2], Rank(place[0])
    glance, word = seen.glances.get(name, Glance()), WORDS[rank]
    return tr[
        th(scope="row", class_="who")[
            a(href=visit.to("credentials", name))[named(name)],
            br,
            toned(word[0], f"small {word[1]}"),
            glance.fingerprint and span(class_="small quiet wide")[f" · {glance.slot or 'no slot'} ", printed(glance.fingerprint)],
            adopted(glance.adoptions),
        ],
        td(class_="bar")[_age(seen, name, visit)],
        td(class_="wide small any")[_last(glance, visit)],
    ]


def _age(seen: Listing, name: str, visit: Visit) -> Node:
    published, credential = seen.roll.published(name), seen.credentials.get(name)
    if published is None or credential is None:
        return span(class_="small quiet")["the ledger knows of no publish"]
    used, whole = share(credential.policy, published, visit.now), credential.policy.cryptoperiod
    due = due_at(credential.policy, published)
    told = f"{length(visit.now - published)} of {length(whole)}, due {from_now(due, visit.now)}"
    return [pictures.age(used, told), span(class_="small quiet")[told]]


def adopted(tally: Iterable[tuple[Adoption, int]]) -> Node:
    """A mark and a number for each way in which dependents were seen."""
    return [span(class_="small quiet tally")[pictures.adoption(how), f"{count} {how}"] for how, count in tally]


def _last(glance: Glance, visit: Visit) -> Node:
    last = glance.last
    if last is None:
        return span(class_="quiet")["none kept"]
    done = said(last.result, 60) or "no outcome yet"
    return [
        f"{said(last.step, 40)} {said(last.slot, 10)}".strip() + f": {done}, ",
        moment(last.at, visit.now),
        br,
        span(class_="quiet")[said(last.because, 160)],
    ]


def _turning(visit: Visit, leaf: Leaf) -> Node:
    if leaf.after is None and not leaf.before:
        return None
    return nav(class_="pages", aria_label="Pages")[
        leaf.before > 0 and a(href=visit.here(after="") + "#fleet")["First"],
        leaf.after and a(href=visit.here(after=written(leaf.after)) + "#fleet", rel="next")[f"Next {LEAF}"],
    ]
