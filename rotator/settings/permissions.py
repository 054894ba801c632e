"""Every permission that rotator asks for, in one list: what doctor asks after, and what the roles under `infra/` grant, no more, no less.

The kinds of dependents say theirs beside their parameters; the core's own stand here. They are put into roles by who has to be able to take
them away: to read and mint keys, to publish, to switch local auth off, to look around, to hunt for copies, and to move each kind of
dependent. Data only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rotator.settings.kinds import KINDS
from rotator.settings.kinds.declaration import Declaration, Permission

DEPLOYED_AS = "rotator"
"""How the templates under `infra/` call what they make, unless they are told otherwise."""
_ACCOUNTS = "Microsoft.CognitiveServices/accounts"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Permissions that are granted together, on one sort of resource. `name` is how files and identifiers call it, `title` how people do.

    `scope` says where it is assigned; `why` what stops without it. A `required` role is needed for any rotation, the others for what is
    said in `why` alone.
    """

    name: str
    title: str
    scope: str
    why: str
    needs: tuple[Permission, ...]
    required: bool = False

    @property
    def deployed(self) -> str:
        """As the templates define it: a custom role's name is there once in a tenant, so it says which rotator it is for."""
        return f"{self.title} ({DEPLOYED_AS})"

    @property
    def actions(self) -> tuple[str, ...]:
        """Of Azure's control plane, in order."""
        return _named(one for one in self.needs if one.system == "Azure" and not one.data)

    @property
    def data_actions(self) -> tuple[str, ...]:
        """Of Azure's data planes, in order; roles list them apart."""
        return _named(one for one in self.needs if one.system == "Azure" and one.data)


def _named(needs: Iterable[Permission]) -> tuple[str, ...]:
    return tuple(sorted({one.action for one in needs}, key=str.lower))


KEYS = Role(
    name="keys",
    title="Rotator: keys of accounts",
    scope="each Cognitive Services account, or its resource group",
    why="sees an account and its two keys, and mints a key anew: every rotation and every kill",
    required=True,
    needs=(
        Permission(action=f"{_ACCOUNTS}/read", at="account"),
        Permission(action=f"{_ACCOUNTS}/listKeys/action", at="account"),
        Permission(action=f"{_ACCOUNTS}/regenerateKey/action", at="account"),
    ),
)
SECRETS = Role(
    name="secrets",
    title="Rotator: secrets of vaults",
    scope="each secret, or its vault",
    why="publishes a key, tags its versions, disables dead ones; never deletes and never purges",
    required=True,
    needs=(
        Permission(action=f"{_SECRETS}/getSecret/action", at="secret", data=True),
        Permission(action=f"{_SECRETS}/setSecret/action", at="secret", data=True),
        Permission(action=f"{_SECRETS}/update/action", at="secret", data=True),
        Permission(action=f"{_SECRETS}/readMetadata/action", at="secret", data=True),
        Permission(action=f"{_SECRETS}/recover/action", at="secret", data=True, only_for="a name that was deleted softly"),
    ),
)
KILL_SWITCH = Role(
    name="kill-switch",
    title="Rotator: kill switch",
    scope="the accounts that may be contained",
    why="switches local auth off, for `contain`; it can write all of an account, so it is granted apart or not at all",
    needs=(Permission(action=f"{_ACCOUNTS}/write", at="account", only_for="contain"),),
)
SURVEY = Role(
    name="survey",
    title="Rotator: survey",
    scope="the subscriptions that discover and doctor look at",
    why="finds accounts and vaults nobody named, and what would stand in the way: changes nothing, reads no key",
    needs=(
        Permission(action=f"{_ACCOUNTS}/read", at="account"),
        Permission(action="Microsoft.KeyVault/vaults/read", at="secret"),
        Permission(action="Microsoft.Resources/subscriptions/read", at="account"),
        Permission(action="Microsoft.Resources/subscriptions/resourceGroups/read", at="account"),
        Permission(action="Microsoft.Authorization/locks/read", at="account"),
        Permission(action="Microsoft.Authorization/permissions/read", at="account"),
        Permission(action="Microsoft.Authorization/denyAssignments/read", at="account"),
        Permission(action="Microsoft.Authorization/policyAssignments/read", at="account"),
        Permission(action="Microsoft.Authorization/policySetDefinitions/read", at="account"),
        Permission(action="Microsoft.Insights/eventtypes/values/read", at="account", only_for="the activity log"),
    ),
)
HUNT = Role(
    name="hunt",
    title="Rotator: hunt",
    scope="the subscriptions, or resource groups, whose apps are searched",
    why="finds who holds a copy of a key, for `hunt` and `discover --hunt`: changes nothing, and reads every setting of every app there",
    needs=(
        *(Permission(action=f"Microsoft.Web/sites/{action}", at="site") for action in ("read", "config/list/action")),
        *(Permission(action=f"Microsoft.Web/sites/slots/{action}", at="site") for action in ("read", "config/list/action")),
        *(Permission(action=f"Microsoft.App/containerApps/{action}", at="app") for action in ("read", "listSecrets/action")),
        *(Permission(action=f"Microsoft.App/jobs/{action}", at="job") for action in ("read", "listSecrets/action")),
        Permission(action="Microsoft.ContainerInstance/containerGroups/read", at="group"),
        Permission(action="Microsoft.ApiManagement/service/read", at="service"),
        *(
            Permission(action=f"Microsoft.ApiManagement/service/namedValues/{action}", at="service")
            for action in ("read", "listValue/action")
        ),
        Permission(action="Microsoft.ApiManagement/service/backends/read", at="service"),
        Permission(action="Microsoft.MachineLearningServices/workspaces/read", at="connection"),
        *(
            Permission(action=f"Microsoft.MachineLearningServices/workspaces/connections/{action}", at="connection")
            for action in ("read", "listsecrets/action")
        ),
        *(
            Permission(action=f"Microsoft.DataFactory/factories/{action}", at="linked_service")
            for action in ("read", "linkedservices/read")
        ),
        *(Permission(action=f"{_ACCOUNTS}/{action}", at="connection") for action in ("read", "connections/read")),
        *(Permission(action=f"{_ACCOUNTS}/projects/{action}", at="connection") for action in ("read", "connections/read")),
        Permission(action="Microsoft.KeyVault/vaults/read", at="secret"),
        Permission(action=f"{_SECRETS}/readMetadata/action", at="secret", data=True),
        Permission(action=f"{_SECRETS}/getSecret/action", at="secret", data=True),
    ),
)
"""Apart from the survey's: who may read every app's settings may read every app's secrets."""
CORE: tuple[Role, ...] = (KEYS, SECRETS, KILL_SWITCH, SURVEY)
LINKS = Role(
    name="links",
    title="Rotator: what dependents are linked to",
    scope="each identity and each subnet that a dependent's write names, and nothing above it: who may assign an identity may act as it",
    why="writes back a container group that has an identity or is in a subnet: Azure asks for these on them, and not on the group",
    needs=tuple(one for kind in KINDS.values() for one in kind.needs if one.linked),
)
"""Apart from the kinds, since it is granted elsewhere than on the dependents."""


def role_of(kind: Declaration) -> Role:
    """What one kind of dependent needs on itself, as a role of its own."""
    needs = tuple(one for one in kind.needs if not one.linked)
    return Role(
        name=kind.kind,
        title=f"Rotator: dependents, {kind.kind}",
        scope=", ".join(dict.fromkeys(f"what `{one.at}` names" for one in needs)),
        why=f"{kind.moves}; proven by {kind.proof}",
        needs=needs,
    )


DEPENDENTS: dict[str, Role] = {name: role_of(kind) for name, kind in KINDS.items()}
"""By kind, also those whose permissions another system than Azure grants."""


def azure_roles() -> Iterator[Role]:
    """Every role that Azure grants: what `infra/` has a definition of."""
    return (role for role in (*CORE, HUNT, LINKS, *DEPENDENTS.values()) if role.actions or role.data_actions)


def cluster_rules() -> dict[str, tuple[str, ...]]:
    """What clusters grant, over all kinds: a resource's verbs by its plural."""
    needs = [one.action for role in DEPENDENTS.values() for one in role.needs if one.system == "Kubernetes"]
    found: dict[str, set[str]] = {}
    for action in needs:
        resource, _, verb = action.partition("/")
        found.setdefault(resource, set()).add(verb)
    return {resource: tuple(sorted(verbs)) for resource, verbs in sorted(found.items())}
