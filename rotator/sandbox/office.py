"""What an administrator does: who is granted what, what is locked, whose firewall is up, whether Resource Graph may be asked."""

from typing import TYPE_CHECKING

from rotator.sandbox.grants import EVERYBODY, Denial, Grant
from rotator.sandbox.overview import vault_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rotator.sandbox.state import State


class Office:
    """The half of a sandbox that stands above its resources."""

    state: "State"

    def grant(
        self,
        scope: str = "/",
        actions: "Sequence[str]" = (),
        not_actions: "Sequence[str]" = (),
        data_actions: "Sequence[str]" = (),
        not_data_actions: "Sequence[str]" = (),
        condition: str | None = None,
    ) -> Grant:
        """One more role assignment for the one principal. A `condition` is shown, and taken for met."""
        given = {"actions": actions, "not_actions": not_actions, "data_actions": data_actions, "not_data_actions": not_data_actions}
        grant = Grant(scope=scope, condition=condition, **{name: tuple(said) for name, said in given.items()})
        self.state.grants.held.append(grant)
        return grant

    def deny(
        self,
        name: str,
        scope: str,
        actions: "Sequence[str]" = (),
        data_actions: "Sequence[str]" = (),
        principals: "Sequence[tuple[str, str]]" = ((EVERYBODY, "SystemDefined"),),
        excluded: "Sequence[tuple[str, str]]" = (),
        here_only: bool = False,
        condition: str | None = None,
    ) -> Denial:
        """A deny assignment, by default for everybody. `principals` and `excluded` are ids with their types."""
        grant = Grant(scope=scope, actions=tuple(actions), data_actions=tuple(data_actions), condition=condition)
        denial = Denial(name=name, grant=grant, principals=tuple(principals), excluded=tuple(excluded), here_only=here_only)
        self.state.grants.denials.append(denial)
        return denial

    def dispossess(self) -> None:
        """Take every assignment away; what is granted after it is all there is."""
        self.state.grants.held.clear()

    def lock(self, scope: str, level: str = "ReadOnly") -> None:
        """On a group or a subscription; a single account has a knob."""
        self.state.locks.append((scope, level))

    def assign_policy(self, name: str, definition: str, scope: str, **about: "Any") -> None:
        """`about` is what else its properties say: parameters, notScopes, enforcementMode. It is shown, and does nothing."""
        properties = {"displayName": name, "policyDefinitionId": definition, "scope": scope, "enforcementMode": "Default", **about}
        id_ = f"{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"
        self.state.policies.append({"id": id_, "name": name, "properties": properties})

    def add_initiative(self, definition: str, members: "Sequence[dict[str, Any]]") -> None:
        self.state.initiatives[definition.lower()] = {"id": definition, "properties": {"policyDefinitions": list(members)}}

    def deny_graph(self, denied: bool = True) -> None:
        self.state.graph_denied = denied

    def change_vault(self, name: str, firewall: bool = False, rbac: bool = True) -> None:
        """Its firewall keeps everybody out; without `rbac` roles say nothing of its data."""
        vault = self.state.vaults[name]
        vault.firewall, vault.rbac = firewall, rbac

    def vault_id(self, name: str) -> str:
        return vault_id(self.state, self.state.vaults[name])
