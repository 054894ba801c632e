"""A dependent: can it be seen, and may we do what its kind needs to move it? The kinds say their permissions themselves."""

from rotator.core.credential import Credential, Dependent
from rotator.core.snapshot import Adoption, DependentView, Snapshot, Unseen
from rotator.doctor import mending
from rotator.doctor.allowed import linked_ids
from rotator.doctor.findings import About, Finding, Subject
from rotator.doctor.granted import denied, doubtful, lacking
from rotator.doctor.round import Round
from rotator.settings.kinds import KINDS, Permission
from rotator.settings.permissions import DEPENDENTS, LINKS


async def check(credential: Credential, snapshot: Snapshot, round_: Round) -> list[Finding]:
    """What was seen of each is in the snapshot: looking is all that was asked of it."""
    views = {view.name: view for view in snapshot.dependents}
    found: list[Finding] = []
    for dependent in credential.dependents:
        found += await _one(credential, dependent, views.get(dependent.name), round_)
    return found


async def _one(credential: Credential, dependent: Dependent, view: DependentView | None, round_: Round) -> list[Finding]:
    about = About(Subject.DEPENDENT, f"{credential.name}/{dependent.name}")
    blind = view is None or view.adoption is Adoption.UNSEEN
    found: list[Finding] = []
    if blind:
        found.append(about.bad(f"cannot be seen: {view.because if view else 'it was not asked'}"))
    elif view is not None and view.adoption is Adoption.STALE:
        found.append(about.warn(f"runs on another value: {view.because}", f"rotator plan {credential.name}"))
    found += await _permissions(dependent, about, round_, blind)
    found += [] if blind else await _links(dependent, about, round_)
    return found or [about.well(f"is seen ({view.adoption if view else ''}), and may be moved")]


async def _permissions(dependent: Dependent, about: About, round_: Round, blind: bool) -> list[Finding]:
    """What only some dependents of the kind need is said where this one cannot be seen."""
    role = DEPENDENTS[dependent.kind]
    found: list[Finding] = []
    for parameter in dict.fromkeys(one.at for one in role.needs):
        scope = dependent.parameters.get(parameter)
        if not isinstance(scope, str) or not scope.lower().startswith("/subscriptions/"):
            continue
        powers = await round_.powers(scope)
        if isinstance(powers, Unseen):
            found.append(about.warn(f"what we may do there cannot be told: {powers.because}"))
            continue
        needs = [one for one in role.needs if one.at == parameter and (blind or not one.only_for)]
        found += denied(needs, powers, about, round_.who) + doubtful(needs, powers, about, scope, round_.who)
        missing = lacking(needs, powers)
        certain = [one.action for one in missing if not one.only_for]
        mend = mending.grant(role, scope, round_.who)
        if certain:
            found.append(about.bad(f"we may not {', '.join(certain)}", mend))
        found += [about.warn(f"we may not {one.action}, needed for {one.only_for}", mend) for one in missing if one.only_for]
    return found


async def _links(dependent: Dependent, about: About, round_: Round) -> list[Finding]:
    """What a write of it names is asked for where that is, and not at the dependent."""
    kind, found = KINDS[dependent.kind], list[Finding]()
    for need in (one for one in kind.needs if one.linked):
        shown = await round_.resource(str(dependent.parameters[need.at]), kind.api_version)
        if isinstance(shown, Unseen):
            return [about.warn(f"what it is linked to cannot be told: {shown.because}")]
        for id_ in linked_ids(shown, need.linked):
            found += await _linked(need, id_, about, round_)
    return found


async def _linked(need: Permission, id_: str, about: About, round_: Round) -> list[Finding]:
    name, powers = id_.rsplit("/", 1)[-1], await round_.powers(id_)
    if isinstance(powers, Unseen):
        return [about.warn(f"what we may do with {name}, which it is linked to, cannot be told: {powers.because}")]
    if lacking([need], powers):
        mend = mending.grant(LINKS, id_, round_.who)
        return [about.bad(f"is linked to {name}, where we may not {need.action}: no write of it would be let through", mend)]
    return [*denied([need], powers, about, round_.who), *doubtful([need], powers, about, id_, round_.who)]
