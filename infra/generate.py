"""What `infra/` says twice is written from the code: roles, the cluster's rules, the tables of permissions and of metrics.

`python infra/generate.py` writes them; a test holds each file to what this would write.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from rotator.metrics import table
from rotator.settings.permissions import Role, azure_roles, cluster_rules

INFRA = Path(__file__).parent
GROUPS = {
    "deployments": "apps",
    "statefulsets": "apps",
    "daemonsets": "apps",
    "externalsecrets": "external-secrets.io",
    "secretproviderclasses": "secrets-store.csi.x-k8s.io",
    "secretproviderclasspodstatuses": "secrets-store.csi.x-k8s.io",
    "secrets": "",
}
"""Which API group of a cluster a resource belongs to."""
CLUSTER_HEAD = """\
# Written by infra/generate.py: what dependents in a cluster need, over all kinds. Bound to rotator's service account in one namespace.
# Take out what you do not use, and name your Secrets: `resourceNames: [chat-openai]` under the rules of `get` and `patch`.
"""


def written() -> Iterator[tuple[Path, str]]:
    """Every file, and what stands in it."""
    yield INFRA / "roles.json", json.dumps({role.name: _role(role) for role in azure_roles()}, indent=2) + "\n"
    yield INFRA / "kubernetes" / "dependents" / "role.yaml", CLUSTER_HEAD + yaml.safe_dump(_cluster_role(), sort_keys=False)
    yield _between(INFRA / "README.md", "roles", _roles())
    yield _between(INFRA / "prometheus" / "README.md", "metrics", table())


def _role(role: Role) -> dict[str, object]:
    return {
        "title": role.title,
        "description": f"{role.why}. Assign it at: {role.scope}.",
        "required": role.required,
        "actions": list(role.actions),
        "dataActions": list(role.data_actions),
    }


def _cluster_role() -> dict[str, object]:
    rules = [
        {"apiGroups": [GROUPS[resource]], "resources": [resource], "verbs": list(verbs)} for resource, verbs in cluster_rules().items()
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "rotator-dependents", "namespace": "prod"},
        "rules": rules,
    }


def _roles() -> str:
    rows = [("role", "assigned at", "actions", "for"), ("---",) * 4]
    rows += [(f"`{one.name}`", one.scope, "<br>".join(_actions(one)), one.why) for one in azure_roles() if not _is_of_a_kind(one)]
    rows.append(
        (
            "`KIND`",
            "what that dependent's settings name",
            "the permissions of each kind in the README of the project",
            "to move dependents of KIND",
        )
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _is_of_a_kind(role: Role) -> bool:
    return role.title.startswith("Rotator: dependents")


def _actions(role: Role) -> Iterator[str]:
    yield from (f"`{action}`" for action in role.actions)
    yield from (f"`{action}` (data)" for action in role.data_actions)


def _between(path: Path, name: str, text: str) -> tuple[Path, str]:
    """The file as it is, with `text` between the marks of this name."""
    first, last = f"<!-- {name}: infra/generate.py -->\n", f"<!-- /{name} -->"
    whole = path.read_text(encoding="utf-8")
    before, _, rest = whole.partition(first)
    _, end, after = rest.partition(last)
    if not end:
        raise SystemExit(f"{path.name} has no place for {name}: {first.strip()} … {last}")
    return path, f"{before}{first}{text}\n{end}{after}"


if __name__ == "__main__":
    for path, text in written():
        path.write_text(text, encoding="utf-8")
