"""What scopes took into care, as the audit chain remembers it: read without asking Azure, so also where Azure cannot be asked."""

from dataclasses import dataclass

from rotator.core.credential import Credential, Secret
from rotator.core.template import Template
from rotator.ledger.store import Ledger
from rotator.settings import Settings
from rotator.settings.policies import Policies, policy_of
from rotator.settings.scopes import ScopeSettings

SUBJECT = "(discover)"
"""Under this the audit chain keeps who came and went; no credential can have such a name."""
CAME, WENT = "credential.discovered", "credential.vanished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One that a scope made once, as the audit chain last said of it."""

    name: str
    account: str
    secret: str
    gone: bool


async def recalled(settings: Settings, ledger: Ledger) -> dict[str, Credential]:
    """Everyone that the settings name, and everyone that a scope was last known to have taken into care; by name. Raises LedgerFault."""
    named = {one.name: one for one in settings.credential_list()}
    made = {one.name: rebuilt(one, scope_of(one, settings), settings.defaults) for one in (await remembered(ledger)).values()}
    return {**made, **named}


def scope_of(one: Remembered, settings: Settings) -> ScopeSettings | None:
    return next((scope for scope in settings.discover if covers(scope, one)), None)


async def remembered(ledger: Ledger) -> dict[str, Remembered]:
    """The last word on each, by name. Raises LedgerFault."""
    found: dict[str, Remembered] = {}
    async for event in ledger.audit.events(SUBJECT):
        said = event.fields
        if event.event in (CAME, WENT) and {"credential", "account", "secret"} <= set(said):
            name = said["credential"]
            found[name] = Remembered(name=name, account=said["account"], secret=said["secret"], gone=event.event == WENT)
    return found


def covers(scope: ScopeSettings, one: Remembered) -> bool:
    """Whether the scope's place is where its account is, as far as the id tells."""
    parts = one.account.split("/")
    return scope.covers(subscription=parts[2], group=parts[4])


def rebuilt(one: Remembered, scope: ScopeSettings | None, defaults: Policies) -> Credential:
    """As it was, under the policies that hold for its scope now."""
    vault, _, name = one.secret.rpartition("/secrets/")
    policy = policy_of(scope or Policies(), defaults)
    template = Template(text=scope.format) if scope else Template()
    return Credential(name=one.name, account=one.account, secret=Secret(vault=vault, name=name), policy=policy, template=template)
