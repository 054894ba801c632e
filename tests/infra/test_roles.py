"""Roles: one list in the code, and nothing under `infra/` or in a README that says something else."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.settings.kinds import KINDS
from rotator.settings.permissions import (
    CORE,
    DEPENDENTS,
    DEPLOYED_AS,
    KEYS,
    KILL_SWITCH,
    LINKS,
    SECRETS,
    SURVEY,
    azure_roles,
    cluster_rules,
)

TOP = Path(__file__).parents[2]
INFRA = TOP / "infra"
OPERATIONS = (Path(__file__).parent / "operations.txt").read_text(encoding="utf-8").lower().splitlines()
"""Operations that Azure documents, of the providers that rotator has to do with; data actions begin with `data `."""


def generated() -> dict[Path, str]:
    return dict(runpy.run_path(str(INFRA / "generate.py"))["written"]())


def test_what_is_written_from_the_code_is_what_the_code_would_write_now() -> None:
    """`python infra/generate.py` mends it."""
    for path, text in generated().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_every_action_is_one_that_azure_knows() -> None:
    for role in azure_roles():
        assert {action.lower() for action in role.actions} <= set(OPERATIONS), role.name
        assert {f"data {action.lower()}" for action in role.data_actions} <= set(OPERATIONS), role.name


def test_no_role_has_a_wildcard_and_none_may_delete() -> None:
    for role in azure_roles():
        for action in (*role.actions, *role.data_actions):
            assert "*" not in action
            assert not re.search(r"/(delete|purge|backup|restore)\b", action.lower()), action


def test_the_kill_switch_alone_may_write_an_account() -> None:
    writes = [role.name for role in azure_roles() if "Microsoft.CognitiveServices/accounts/write" in role.actions]
    assert writes == [KILL_SWITCH.name]
    assert len(KILL_SWITCH.needs) == 1


def test_the_survey_reads_no_key_and_changes_nothing() -> None:
    assert all(action.endswith("/read") for action in SURVEY.actions)
    assert not SURVEY.data_actions


def test_a_rotation_needs_two_roles() -> None:
    assert [role for role in CORE if role.required] == [KEYS, SECRETS]


def test_every_kind_is_a_role_of_what_it_declares() -> None:
    assert list(DEPENDENTS) == list(KINDS)
    for name, kind in KINDS.items():
        assert DEPENDENTS[name].needs == tuple(one for one in kind.needs if not one.linked)
        assert not set(DEPENDENTS[name].actions) & set(KEYS.actions)


def test_what_is_granted_on_a_linked_resource_is_in_no_role_of_a_dependent_s_own_scope() -> None:
    """At a resource group it would let rotator act as every identity there."""
    assert set(LINKS.needs) == {one for kind in KINDS.values() for one in kind.needs if one.linked}
    assert all(KINDS[name].api_version for name, kind in KINDS.items() if any(one.linked for one in kind.needs))
    for role in azure_roles():
        assert role is LINKS or not {action for action in role.actions if action.endswith(("/assign/action", "/join/action"))}, role.name


def test_roles_are_called_what_doctor_calls_them() -> None:
    bicep, terraform = ((INFRA / name).read_text(encoding="utf-8") for name in ("bicep/main.bicep", "terraform/variables.tf"))
    assert f"param name string = '{DEPLOYED_AS}'" in bicep
    assert "roleName: '${roles[role].title} (${name})'" in bicep
    assert re.search(rf'variable "name" \{{[^}}]*default\s+= "{DEPLOYED_AS}"', terraform)
    assert 'name        = "${local.roles[each.key].title} (${var.name})"' in (INFRA / "terraform/main.tf").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["bicep/main.bicep", "terraform/main.tf"])
def test_no_action_is_said_a_second_time_in_a_template(file: str) -> None:
    text = (INFRA / file).read_text(encoding="utf-8")
    assert "roles.json" in text
    assert not [action for role in azure_roles() for action in (*role.actions, *role.data_actions) if action.lower() in text.lower()]


def test_roles_that_the_templates_ask_for_are_there() -> None:
    defined = set(json.loads((INFRA / "roles.json").read_text(encoding="utf-8")))
    said = re.search(r"var wanted = union\(\[(.*?)\].*?\['kill-switch'\]", (INFRA / "bicep" / "main.bicep").read_text(encoding="utf-8"))
    assert said
    assert {name.strip(" '") for name in said[1].split(",")} | {"kill-switch"} == {role.name for role in CORE} <= defined
    assert {name for name, role in DEPENDENTS.items() if role.actions or role.data_actions} <= defined
    assert LINKS.name in defined


def test_the_cluster_s_rules_are_those_of_the_kinds() -> None:
    role = yaml.safe_load((INFRA / "kubernetes" / "dependents" / "role.yaml").read_text(encoding="utf-8"))
    found = {resource: tuple(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    assert found == cluster_rules()


def test_the_readme_names_what_a_rotation_needs() -> None:
    """In its own words, by the last parts of an action."""
    table = (TOP / "README.md").read_text(encoding="utf-8").partition("## Your own account")[2].partition("\n2. ")[0]
    said = set(re.findall(r"`[…\w./]*?/(\w+(?:/action)?)`", table))
    needed: set[Any] = {_last(action) for role in (KEYS, SECRETS, KILL_SWITCH) for action in (*role.actions, *role.data_actions)}
    assert needed == said


def _last(action: str) -> str:
    parts = action.split("/")
    return "/".join(parts[-2:]) if parts[-1] == "action" else parts[-1]
