"""Who lives on the demo's keys: an app behind each of four kinds of dependents, with what the settings say of them, and how they fared.

The apps run in the sandbox, each on what its platform hands it, and count their own calls. The kinds are those whose clients come with
rotator itself; the others need an extra each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ON_ARM = ("foundry_connection", "workspace_connection")
ELSEWHERE = ("variable_group", "receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fared:
    """All apps on one account's key: their calls, how many of them failed, and from the first to the last failure of the worst of them."""

    apps: int
    calls: int
    failed: int
    failed_for_s: float

    def as_json(self) -> dict[str, Any]:
        return {"apps": self.apps, "calls": self.calls, "failed": self.failed, "failed_for_s": self.failed_for_s}


def settle(azure: Any, place: Path, one: Mapping[str, str]) -> list[dict[str, Any]]:
    """Four apps on an account, and the dependents as the settings name them."""
    name, secret = one["name"], one["secret"]
    connections = {each["sort"]: each["consumer"] for each in azure.inhabit(name, secret, ON_ARM)}
    outsiders = {each["sort"]: each for each in azure.settle_outsiders(name, secret, ELSEWHERE)}
    group, receiver = outsiders["variable_group"], outsiders["receiver"]
    token = _kept(place, "devops-token", azure.elsewhere.devops.token)
    signing = _kept(place, f"{name}-webhook", receiver["signing"])
    return [
        {"name": "agents", "kind": "foundry-connection", "connection": connections["foundry_connection"]},
        {"name": "research", "kind": "machine-learning-connection", "connection": connections["workspace_connection"]},
        {"name": "pipelines", **group["parameters"], "token": token},
        {"name": "on-premises", **receiver["parameters"], "secret": signing},
    ]


def fared(azure: Any, name: str) -> Fared | None:
    """How the apps on an account's key have fared until now; None where there are none."""
    apps = [app for app in azure.apps if app.account == name]
    if not apps:
        return None
    return Fared(
        apps=len(apps),
        calls=sum(app.calls for app in apps),
        failed=sum(app.failed for app in apps),
        failed_for_s=max(app.failed_for_s for app in apps),
    )


def _kept(place: Path, name: str, text: str) -> str:
    """A secret as settings refer to it, for its owner alone."""
    file = place / name
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return f"file:{file}"
