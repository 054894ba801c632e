"""What a client has to be told of a sandbox: where its surfaces are, and what they take for a secret."""

from typing import TYPE_CHECKING, Any

from rotator.sandbox.elsewhere import Elsewhere, kubeconfig
from rotator.sandbox.state import AUDIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.state import State


class Addresses:
    """The half of a sandbox that is only looked at."""

    state: "State"
    ca_file: "Path"
    _urls: dict[str, str]

    @property
    def authority(self) -> str:
        return self._urls["entra"]

    @property
    def resource_manager(self) -> str:
        return self._urls["resource_manager"]

    @property
    def control_url(self) -> str:
        return self._urls["control"]

    @property
    def audience(self) -> str:
        return AUDIENCE

    @property
    def tenant(self) -> str:
        return self.state.sessions.tenant

    @property
    def client(self) -> str:
        return self.state.sessions.client

    @property
    def client_secret(self) -> str:
        return self.state.sessions.client_secret

    @property
    def subscription(self) -> str:
        return self.state.subscription

    def vault_url(self, name: str) -> str:
        return self.state.vaults[name].url

    def url(self, surface: str) -> str:
        """Of kubernetes, github, app_configuration, azure_devops or receiver."""
        return self._urls[surface]

    def kubeconfig(self) -> dict[str, Any]:
        return kubeconfig(self.state, self.url("kubernetes"), self.ca_file.read_bytes())

    @property
    def elsewhere(self) -> Elsewhere:
        return self.state.elsewhere

    def gateway_url(self, gateway: str) -> str:
        return self._urls[f"data_plane_{gateway}"]

    @property
    def github_url(self) -> str:
        return self._urls["github"]

    @property
    def gitguardian_url(self) -> str:
        return self._urls["gitguardian"]

    @property
    def scanner_token(self) -> str:
        """For GitHub's and GitGuardian's APIs."""
        return self.state.leaks.token

    def webhook_secret(self, door: str) -> str:
        """What the sender at this door signs with, or shows."""
        return self.state.leaks.webhook_secrets[door]
