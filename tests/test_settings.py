"""The settings as a contract: what is written in them, and for every mistake its path, its line and what would be right; all at once."""

import asyncio
import json
import os
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import TypeAdapter

from rotator.core.credential import Secret
from rotator.core.policy import Mode, OnSuspicion, Policy, Unprovable, Window, mode_when_proven, when_suspected
from rotator.core.wave import WaveLimits
from rotator.ledger.opening import open_ledger
from rotator.settings import Settings, SettingsError, load, parse, schema
from rotator.settings.kinds import KINDS

CONFIG = Path(__file__).parent.parent / "config"
ACCOUNTS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts"
SITES = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites"
CONTRACT = f"""\
cloud: public
identity: default
ledger: sqlite:///rotator.db
defaults: {{cryptoperiod: 30d, overlap: 24h, grace: 4h, on_compromise: drain, drain_deadline: 2m, window: null}}
credentials:
  - name: chat-prod
    account: {ACCOUNTS}/chat-prod
    secret: https://kv-prod.vault.azure.net/secrets/chat-prod-key
    cryptoperiod: 7d     # any default can be set here
    dependents: [{{kind: app-service, site: {SITES}/chat-api, setting: OPENAI_API_KEY}}]
alerts: {{github: {{secret: env:GITHUB_WEBHOOK_SECRET, token: env:GITHUB_TOKEN}}}}
web: {{host: 127.0.0.1, port: 8080, operator_token: env:ROTATOR_OPERATOR_TOKEN}}
limits: {{concurrency: 32, compromises_per_hour: 20}}
"""
ONE = f"""\
credentials:
  - name: chat
    account: {ACCOUNTS}/chat
    secret: https://kv.vault.azure.net/secrets/chat-key
"""
OWN_CLOUD = """\
cloud:
  authority: https://login.example/
  resource_manager: https://management.example
  audience: https://management.example
  ca_file: ca.pem
  verify_challenge_resource: false
"""


def errors(text: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        parse(text, "rotator.yaml")
    assert refused.value.source == "rotator.yaml"
    assert refused.value.errors
    return refused.value.errors


def error(text: str) -> str:
    """The only error there is."""
    (one,) = errors(text)
    return one


def only(settings: Settings) -> Any:
    (one,) = settings.credential_list()
    return one


# --- what is right ----------------------------------------------------------------------------------------------------------


def test_the_example_of_the_contract_loads() -> None:
    settings = parse(CONTRACT, "rotator.yaml")
    one = only(settings)
    assert (one.name, one.account) == ("chat-prod", f"{ACCOUNTS}/chat-prod")
    assert one.secret == Secret(vault="https://kv-prod.vault.azure.net", name="chat-prod-key")
    assert one.policy == Policy(cryptoperiod=timedelta(days=7))
    assert [(each.name, each.kind) for each in one.dependents] == [("app-service-1", "app-service")]
    assert one.dependents[0].parameters == {"site": f"{SITES}/chat-api", "setting": "OPENAI_API_KEY", "format": "{key}"}
    assert (settings.web.host, settings.web.port, settings.limits.concurrency) == ("127.0.0.1", 8080, 32)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n", "{}\n"])
def test_an_empty_file_means_the_defaults(text: str) -> None:
    settings = parse(text, "rotator.yaml")
    assert (settings.cloud, settings.identity, settings.ledger) == ("public", "default", "sqlite:///rotator.db")
    assert settings.credential_list() == []
    assert settings.limits.request_timeout == timedelta(seconds=15)


def test_what_is_not_said_is_the_policy_of_the_design() -> None:
    assert only(parse(ONE, "x")).policy == Policy()


def test_a_default_holds_for_all_and_is_overridden_by_one() -> None:
    text = (
        "defaults: {overlap: 2h, grace: 1h, on_compromise: cut, unprovable: accept}\n"
        + ONE
        + "    grace: 90s\n    on_compromise: contain\n"
    )
    policy = only(parse(text, "x")).policy
    assert (policy.overlap, policy.grace) == (timedelta(hours=2), timedelta(seconds=90))
    assert (policy.on_compromise, policy.unprovable) == (Mode.CONTAIN, Unprovable.ACCEPT)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("30d", timedelta(days=30)),
        ("1.5h", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse(f"defaults: {{grace: {text}}}", "x").defaults.grace == length


@pytest.mark.parametrize("text", ["7", "1w", "1 h", "-1h", "h", "''", "1h30m", "null-ish", "[1h]", "{h: 1}", "1e3s", "+1h", "24H"])
def test_anything_else_is_no_duration(text: str) -> None:
    assert error(f"defaults:\n  overlap: {text}\n") == (
        "defaults.overlap (line 2): not a duration; write a number and a unit, like 90s, 15m, 24h or 30d"
    )


@pytest.mark.parametrize("name", ["cryptoperiod", "drain_deadline"])
def test_a_period_of_nothing_is_refused(name: str) -> None:
    assert error(f"defaults: {{{name}: 0s}}") == f"defaults.{name} (line 1): must be longer than nothing"


@pytest.mark.parametrize("digits", [20, 400])
def test_a_duration_without_end_is_refused(digits: int) -> None:
    assert "longer than any key will live" in error(f"defaults: {{cryptoperiod: {'9' * digits}d}}")


def test_a_window_is_a_cron_expression_a_length_and_a_zone() -> None:
    text = 'defaults: {window: {opens: "0 9 * * 1-5", for: 7h, zone: Europe/Berlin}}\n' + ONE
    assert only(parse(text, "x")).policy.window == Window(opens="0 9 * * 1-5", length=timedelta(hours=7), zone="Europe/Berlin")
    other = text + '    window: {opens: "0 2 * * *", for: 2h}\n'
    assert only(parse(other, "x")).policy.window == Window(opens="0 2 * * *", length=timedelta(hours=2), zone="UTC")


@pytest.mark.parametrize(
    ("window", "place", "says"),
    [
        ("{opens: nine, for: 7h}", "opens", "not a cron expression of five fields"),
        ('{opens: "0 25 * * *", for: 7h}', "opens", "not a cron expression"),
        ('{opens: "0 0 30 2 *", for: 7h}', "opens", "not a cron expression"),
        ('{opens: "0 9 * * *", for: long}', "for", "not a duration"),
        ('{opens: "0 9 * * *", for: 7h, zone: Mars/Base}', "zone", "IANA"),
        ('{opens: "0 9 * * *", for: 7h, zone: ../../etc/passwd}', "zone", "IANA"),
        ('{opens: "0 9 * * *"}', "for", "is missing"),
        ("{for: 7h}", "opens", "is missing"),
        ('{opens: "0 9 * * *", for: 7h, fro: 1h}', "fro", "did you mean 'for'?"),
    ],
)
def test_a_window_that_is_wrong_says_where(window: str, place: str, says: str) -> None:
    found = error(f"defaults:\n  window: {window}\n")
    assert found.startswith(f"defaults.window.{place} (line 2): ")
    assert says in found


def test_a_cloud_is_a_name_or_a_description() -> None:
    for name in ("public", "usgov", "china"):
        assert parse(f"cloud: {name}", "x").cloud == name
    cloud: Any = parse(OWN_CLOUD, "x").cloud
    assert (cloud.authority, cloud.resource_manager) == ("https://login.example", "https://management.example")
    assert (cloud.ca_file, cloud.verify_challenge_resource) == ("ca.pem", False)


def test_a_cloud_that_is_wrong_says_everything_that_is() -> None:
    assert error("cloud: publc") == "cloud (line 1): must be one of 'public', 'usgov' or 'china'"
    found = errors("cloud:\n  authority: http://login.example\n  audienc: https://a\n")
    assert "cloud.authority (line 2): not an https:// URL" in found
    assert "cloud.audienc (line 3): unknown key; did you mean 'audience'?" in found
    assert any(one.startswith("cloud.resource_manager ") and one.endswith("is missing") for one in found)


@pytest.mark.parametrize("name", ["default", "managed-identity", "workload", "azure-cli"])
def test_an_identity_is_a_name(name: str) -> None:
    assert parse(f"identity: {name}", "x").identity == name


def test_an_identity_is_a_service_principal_with_a_reference() -> None:
    identity: Any = parse("identity: {client_secret: {tenant: t, client: c, secret: env:SECRET}}", "x").identity
    assert (identity.client_secret.tenant, identity.client_secret.client, identity.client_secret.secret) == ("t", "c", "env:SECRET")


def test_an_identity_that_is_wrong_says_where() -> None:
    assert "must be one of 'default', 'managed-identity'" in error("identity: me")
    found = errors("identity:\n  client_secret:\n    tenant: t\n    cliend: c\n    secret: env:A\n")
    assert "identity.client_secret.cliend (line 4): unknown key; did you mean 'client'?" in found
    assert any(one.startswith("identity.client_secret.client ") for one in found)


@pytest.mark.parametrize(
    ("url", "vault", "name"),
    [
        ("https://kv.vault.azure.net/secrets/chat-key", "https://kv.vault.azure.net", "chat-key"),
        ("https://kv.vault.azure.net/secrets/chat-key/", "https://kv.vault.azure.net", "chat-key"),
        ("https://proxy.example:8443/kv-1/secrets/K", "https://proxy.example:8443/kv-1", "K"),
        ("https://proxy.example/a/b/secrets/secrets", "https://proxy.example/a/b", "secrets"),
        ("https://proxy.example/secrets/secrets/K", "https://proxy.example/secrets", "K"),
    ],
)
def test_a_secret_is_any_vaults_url_with_or_without_a_path_before_it(url: str, vault: str, name: str) -> None:
    text = ONE.replace("https://kv.vault.azure.net/secrets/chat-key", url)
    assert only(parse(text, "x")).secret == Secret(vault=vault, name=name)


@pytest.mark.parametrize(
    "url",
    [
        "http://kv.vault.azure.net/secrets/chat-key",
        "https://kv.vault.azure.net/secrets/chat-key/0123456789",
        "https://kv.vault.azure.net/keys/chat-key",
        "https://kv.vault.azure.net/secrets/",
        "https://kv.vault.azure.net/secrets/a_b",
        "https://kv.vault.azure.net/secrets/a?api-version=1",
        "https://kv.vault.azure.net/secrets/a#x",
        "https:///secrets/a",
        "https://[::1",
        "kv.vault.azure.net/secrets/a",
        "7",
        "[a]",
    ],
)
def test_anything_else_is_no_secrets_url(url: str) -> None:
    found = error(ONE.replace("https://kv.vault.azure.net/secrets/chat-key", url))
    assert found.startswith("credentials[0].secret (line 4): ")
    assert "URL" in found


@pytest.mark.parametrize("account", ["chat", "/subscriptions/s/resourceGroups/rg", ACCOUNTS, f"{ACCOUNTS}/a/b", "7", f"{ACCOUNTS}/ä"])
def test_anything_else_is_no_account(account: str) -> None:
    found = error(ONE.replace(f"{ACCOUNTS}/chat", account))
    assert found.startswith("credentials[0].account (line 3): not a resource id of the form /subscriptions/")


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda id_: id_.replace("/accounts/", "/Accounts/")])
def test_an_account_is_one_however_its_id_is_spelled(change: Callable[[str], str]) -> None:
    """Azure compares resource ids without case. The words of the path are kept as Azure spells them, the names as they are written."""
    written = change(f"{ACCOUNTS}/chat")
    kept = only(parse(ONE.replace(f"{ACCOUNTS}/chat", written), "x")).account.split("/")
    assert [*kept[1::2], kept[6]] == [*ACCOUNTS.split("/")[1::2], "Microsoft.CognitiveServices"]
    assert [kept[place] for place in (2, 4, 8)] == [written.split("/")[place] for place in (2, 4, 8)]
    two = ONE + ONE.replace("credentials:\n", "").replace("name: chat", "name: other").replace("chat-key", "other-key")
    assert errors(two.replace(f"{ACCOUNTS}/chat", written, 1)) == [
        "credentials[1].account: the same as credentials[0].account; two rotations of one would kill each other's keys"
    ]


@pytest.mark.parametrize(
    "kind", [kind for kind, one in KINDS.items() if any(need.system == "Azure" and not need.data for need in one.needs)]
)
def test_a_resource_is_one_however_its_id_is_spelled(kind: str) -> None:
    declared = KINDS[kind].parameters
    for field in {need.at for need in KINDS[kind].needs}:
        (shape,) = declared.model_json_schema()["properties"][field]["examples"]
        written = re.sub(r"\[.*?\]", "", shape).replace("…", "Some").replace("NAME", "Some")
        said = declared.model_fields[field]
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated.__class_getitem__((said.annotation, *said.metadata)))  # type: ignore[attr-defined]
        for other in (written.upper(), written.lower()):
            found = adapter.validate_python(other)
            assert found == written.replace("Some", "SOME" if other.isupper() else "some")


@pytest.mark.parametrize("name", ["x y", "-x", "''", "x" * 101, "ü", "a/b"])
def test_a_name_is_made_of_plain_characters(name: str) -> None:
    found = error(ONE.replace("name: chat", f"name: {name}"))
    assert found == "credentials[0].name (line 2): not a name: letters, digits, '.', '_' and '-'"


@pytest.mark.parametrize("name", ["7.5", "123", "true", "2026-01-01"])
def test_a_name_that_yaml_takes_for_something_else_is_to_be_quoted(name: str) -> None:
    assert error(ONE.replace("name: chat", f"name: {name}")) == "credentials[0].name (line 2): must be text; put it in quotes"


@pytest.mark.parametrize(
    "account",
    [
        f"{ACCOUNTS}/chat?api-version=1",
        f"{ACCOUNTS}/chat#x",
        f"{ACCOUNTS}/../chat",
        ACCOUNTS.replace("/resourceGroups/rg", "/resourceGroups/.."),
        ACCOUNTS.replace("/resourceGroups/rg", "/resourceGroups/r g"),
        ACCOUNTS.replace("/resourceGroups/rg", "/resourceGroups/r%2F"),
        ACCOUNTS.replace("/subscriptions/s", "/subscriptions/s?x"),
    ],
)
def test_an_account_leads_nowhere_else(account: str) -> None:
    assert "not a resource id" in error(ONE.replace(f"{ACCOUNTS}/chat", f"'{account}'"))


@pytest.mark.parametrize(
    "again",
    [
        "https://KV.vault.azure.net/secrets/chat-key",
        "https://kv.vault.azure.net:443/secrets/chat-key",
        "https://kv.vault.azure.net//secrets/CHAT-key/",
    ],
)
def test_a_secret_named_twice_is_found_however_it_is_spelled(again: str) -> None:
    two = ONE + ONE.replace("credentials:\n", "").replace("name: chat", "name: other").replace(f"{ACCOUNTS}/chat", f"{ACCOUNTS}/other")
    found = errors(
        two[: two.rindex("https://kv")] + two[two.rindex("https://kv") :].replace("https://kv.vault.azure.net/secrets/chat-key", again)
    )
    assert any("credentials[1].secret: the same as credentials[0].secret" in one for one in found)


def test_a_password_stands_in_no_url() -> None:
    for url in ("https://me:hush@kv.vault.azure.net/secrets/chat-key", "https://me@kv.vault.azure.net/secrets/chat-key"):
        assert "never written here" in error(ONE.replace("https://kv.vault.azure.net/secrets/chat-key", url))
    for ledger in ("postgresql://u:hush@db/r", "postgresql://db/r?password=hush", "postgresql://db/r?user=u&PASSWORD=hush"):
        assert "never written here" in error(f"ledger: '{ledger}'")


@pytest.mark.parametrize("name", ["with %20 in it.db", "ü.db", "a%3Fb.db", "it's.db"])
def test_the_path_of_a_ledger_is_taken_as_it_stands(tmp_path: Path, name: str) -> None:
    address = parse(f'ledger: "sqlite:///{name}"', "x").ledger_address(tmp_path)

    async def opened() -> None:
        async with open_ledger(address):
            pass

    asyncio.run(opened())
    assert (tmp_path / name).is_file()


def test_a_ledger_may_stand_at_home_and_has_no_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("ledger: sqlite:///~/r.db", "x").ledger_address(Path("/elsewhere")) == f"sqlite:///{tmp_path}/r.db"
    assert "cannot stand in" in error("ledger: 'sqlite:///r.db?mode=ro'")


@pytest.mark.parametrize(
    "text",
    ['ledger: "sqlite:///a\\0b"', 'cloud: {authority: https://a.b, resource_manager: https://a.b, audience: https://a.b, ca_file: "\\0"}'],
)
def test_a_path_with_a_nul_is_an_error_of_the_settings(text: str) -> None:
    assert "holds a control character" in error(text)


@pytest.mark.parametrize(
    "text",
    ["defaults:\n  overlap: 2024-13-45", f"web:\n  port: {'9' * 5000}", "web:\n  port: !!int abc", "web:\n  host: !!timestamp x"],
    ids=["a date", "a huge number", "no number", "no time"],
)
def test_a_value_that_yaml_cannot_make_is_an_error_with_its_line(text: str) -> None:
    assert re.fullmatch(r"line 2, column \d+: not YAML: a value that cannot be read; put it in quotes", error(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cloud: null", "cloud (line 1): is empty; say what it is, or leave the line out"),
        ("\n\n1: x", "settings (line 3): the key 1 is not a word; put it in quotes"),
        ("credentials: {}", "credentials (line 1): must be a list: each entry on a line that begins with '-'"),
    ],
)
def test_what_is_empty_or_no_word_is_told_what_would_be_right(text: str, says: str) -> None:
    assert error(text) == says


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin"])
def test_what_is_no_file_is_not_read(path: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Path(path))
    assert "no file" in caught.value.errors[0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError):
        load(tmp_path / "pipe")


def test_the_form_of_a_value_holds_the_key_exactly_once() -> None:
    assert only(parse(ONE + '    format: "Endpoint=https://e/;Key={key}"\n', "x")).template.extract("Endpoint=https://e/;Key=abc") == "abc"
    for wrong in ("none", "{key}{key}", "''"):
        found = error(ONE + f"    format: '{wrong}'\n" if wrong != "''" else ONE + "    format: ''\n")
        assert found.startswith("credentials[0].format (line 5): must hold ")


def test_dependents_of_one_kind_are_numbered_and_may_be_named() -> None:
    site = f"kind: app-service, site: {SITES}/x, setting: KEY"
    text = ONE + f"    dependents: [{{{site}}}, {{{site}, name: batch}}, {{{site}}}]\n"
    assert [one.name for one in only(parse(text, "x")).dependents] == ["app-service-1", "batch", "app-service-3"]


# --- dependents -------------------------------------------------------------------------------------------------------------


def dependents(*written: str) -> str:
    return ONE + "    dependents:\n" + "".join(f"      - {one}\n" for one in written)


def test_an_unknown_kind_is_refused_with_the_nearest_known_one() -> None:
    assert (
        error(dependents("{kind: app-servce}")) == "credentials[0].dependents[0].kind (line 6): unknown kind; did you mean 'app-service'?"
    )
    assert error(dependents("{kind: zzz}")).startswith(
        "credentials[0].dependents[0].kind (line 6): unknown kind; known here: app-service, "
    )


def test_everything_wrong_with_a_dependent_is_said_at_once_and_with_its_own_kinds_words() -> None:
    assert errors(dependents("7", "{name: x}", "{kind: app-service, site: x, seting: KEY}")) == [
        "credentials[0].dependents[0] (line 6): must be a mapping of names to values",
        "credentials[0].dependents[1].kind (line 7): is missing",
        "credentials[0].dependents[2].site (line 8): not a resource id of the form "
        "/subscriptions/…/resourceGroups/…/providers/Microsoft.Web/sites/NAME[/slots/NAME]",
        "credentials[0].dependents[2].setting (line 8): is missing",
        "credentials[0].dependents[2].seting (line 8): unknown key; did you mean 'setting'?",
    ]


def test_resource_ids_compare_without_case_and_a_slot_is_part_of_one() -> None:
    site = "/SUBSCRIPTIONS/s/resourcegroups/rg/providers/microsoft.web/SITES/x/slots/y"
    (one,) = only(parse(dependents(f"{{kind: app-service, site: {site}, setting: KEY}}"), "x")).dependents
    assert one.parameters["site"] == "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Web/sites/x/slots/y"
    assert "resource id" in error(dependents(f"{{kind: app-service, site: {site}/, setting: KEY}}"))


@pytest.mark.parametrize(
    "wrong",
    ["", ", named_value: a, backend: b, header: c", ", backend: b", ", backend: b, header: c, query: d", ", named_value: a, header: c"],
)
def test_an_api_management_dependent_is_one_named_value_or_one_credential_of_a_backend(wrong: str) -> None:
    service = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ApiManagement/service/apim"
    assert error(dependents(f"{{kind: api-management, service: {service}{wrong}}}")).endswith(
        "needs either named_value, or backend with one of header and query"
    )


def test_a_secure_value_beside_ours_is_a_reference() -> None:
    group = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/g"
    literal = secrets.token_hex(16)
    found = error(dependents(f"{{kind: container-instance, group: {group}, variable: KEY, secure: {{OTHER: {literal}}}}}"))
    assert found.startswith("credentials[0].dependents[0].secure.OTHER (line 6): not a reference")
    assert literal not in found


# --- secrets are references -------------------------------------------------------------------------------------------------

PLACES = {
    "identity": "identity: {client_secret: {tenant: t, client: c, secret: %s}}",
    "alert": "alerts: {github: {secret: %s}}",
    "token": "alerts: {github: {secret: env:A, token: %s}}",
    "azure": "alerts: {event-grid: {secret: %s}}",
    "web": "web: {operator_token: %s}",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("reference", ["env:NAME", "env:_n1", "file:/run/secrets/x", "vault:https://kv.vault.azure.net/secrets/x"])
def test_a_secret_is_a_reference(place: str, reference: str) -> None:
    parse(place % reference, "x")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize(
    "shape", ["{}", "env:{} x", "env: {}", "file:{}", "vault:http://{}", "'{{secret: {}}}'", "ENV:{}", "[{}]", "{{value: {}}}", "env:1{}"]
)
def test_a_literal_secret_is_an_error_that_does_not_repeat_it(place: str, shape: str) -> None:
    literal = "s" + secrets.token_urlsafe(24).replace("-", "x").replace("_", "x")
    found = errors("\n" + place % (f'"{shape.format(literal)}"' if shape[0] not in "['{" else shape.format(literal)))
    assert literal not in "\n".join(found)
    assert any("(line 2): not a reference" in one and "env:NAME, file:/path or vault:" in one for one in found)


def test_a_literal_secret_anywhere_else_is_not_repeated_either() -> None:
    """Put where it does not belong: as a value of every field there is."""
    literal = secrets.token_hex(16)
    for text in (
        f"cloud: {literal}",
        f"identity: '{literal}'",
        f"ledger: mysql://u:{literal}@h/x",
        f"defaults: {{overlap: {literal}, on_compromise: '{literal}', window: {{opens: '{literal}', for: 1h, zone: '{literal}'}}}}",
        f"credentials: [{{name: ' {literal}', account: '{literal}', secret: '{literal}', format: '{literal}', dependents: '{literal}'}}]",
        f"web: {{host: h, port: '{literal}'}}",
        f"limits: '{literal}'",
        f"alerts: {{github: '{literal}'}}",
        f"credentials: '{literal}'",
        f"- '{literal}'",
        f"cloud: [{literal}\n",
        f"cloud: '{literal}\n",
    ):
        assert literal not in "\n".join(errors(text)), text.replace(literal, "…")


# --- every error at once, with its place -----------------------------------------------------------------------------------


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = errors(f"""\
cloud: publc
defaults:
  overlap: soon
credentials:
  - name: chat
    account: {ACCOUNTS}/chat
    secret: https://kv.vault.azure.net/secrets/chat-key
  - name: chat
    account: {ACCOUNTS}/CHAT
    secret: https://KV.vault.azure.net/secrets/chat-key/
    cryptoperid: 7d
  - name: third one
limits: {{concurrency: 0}}
""")
    wanted = [
        "cloud (line 1): must be one of",
        "defaults.overlap (line 3): not a duration",
        "credentials[1].cryptoperid (line 11): unknown key; did you mean 'cryptoperiod'?",
        "credentials[1].name: the same as credentials[0].name; each needs its own",
        "credentials[1].account: the same as credentials[0].account; two rotations of one would kill each other's keys",
        "credentials[1].secret: the same as credentials[0].secret; two rotations of one would kill each other's keys",
        "credentials[2].name (line 12): not a name",
        "credentials[2].account (line 12): is missing",
        "credentials[2].secret (line 12): is missing",
        "limits.concurrency (line 13): ",
    ]
    assert len(found) == len(wanted)
    for want in wanted:
        assert sum(one.startswith(want) for one in found) == 1, want


UNKNOWN = {
    "at the top": ("credential: []", "credential", 1, "credentials"),
    "in the cloud": (OWN_CLOUD + "  ca_fil: x\n", "cloud.ca_fil", 7, "ca_file"),
    "in the identity": (
        "identity: {client_secret: {tenant: t, client: c, secret: env:A, tenat: x}}",
        "identity.client_secret.tenat",
        1,
        "tenant",
    ),
    "in the defaults": ("defaults:\n  overlapp: 1h\n", "defaults.overlapp", 2, "overlap"),
    "in a window": ('defaults: {window: {opens: "0 9 * * *", for: 1h, zon: UTC}}', "defaults.window.zon", 1, "zone"),
    "in a credential": (ONE + "    dependent: []\n", "credentials[0].dependent", 5, "dependents"),
    "in a credential's window": (
        ONE + '    window: {opens: "0 9 * * *", for: 1h, open: 1}\n',
        "credentials[0].window.open",
        5,
        "opens",
    ),
    "in an alert's sender": ("alerts:\n  github:\n    secret: env:B\n    tokn: env:A\n", "alerts.github.tokn", 4, "token"),
    "in the web": ("web: {prot: 80}", "web.prot", 1, "port"),
    "in the limits": ("limits: {concurency: 3}", "limits.concurency", 1, "concurrency"),
}


@pytest.mark.parametrize(("text", "path", "line", "near"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_key_is_refused_with_the_nearest_known_one(text: str, path: str, line: int, near: str) -> None:
    assert error(text) == f"{path} (line {line}): unknown key; did you mean {near!r}?"


def test_an_unknown_key_that_is_near_to_none_is_told_what_there_is() -> None:
    found = error("web: {zzz: 1}")
    assert found == "web.zzz (line 1): unknown key; known here: entra, host, metrics_port, operator_token, port, proxies, viewer_token"


def test_an_unknown_sender_of_alerts_is_told_who_there_is() -> None:
    assert error("alerts: {gitlab: {secret: env:A}}") == "alerts.gitlab (line 1): unknown key; did you mean 'github'?"
    found = error("alerts: {jira: {secret: env:A}}")
    assert found == (
        "alerts.jira (line 1): unknown key; known here: "
        "azure-monitor, defender, event-grid, gitguardian, github, github-partner, signed, vault-radar"
    )


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        ("github: {token: env:A}", "secret: env:NAME"),
        ("gitguardian: {}", "secret: env:NAME"),
        ("vault-radar: {}", "secret: env:NAME"),
        ("signed: {}", "secret: env:NAME"),
        ("event-grid: {}", "entra: {tenant: …, audience: …}"),
        ("azure-monitor: {header: x-own}", "secret: env:NAME"),
        ("defender: {}", "secret: env:NAME"),
        ("defender: {entra: {tenant: 00000000-0000-0000-0000-000000000001, audience: a}}", "has no entra.callers"),
        ("github: {secret: env:A, repositories: [a/b]}", "token: env:NAME"),
    ],
)
def test_a_sender_without_a_lock_is_refused_with_the_way_to_mend_it(source: str, mend: str) -> None:
    found = error(f"alerts: {{{source}}}")
    assert found.startswith(f"alerts.{source.partition(':')[0]} (line 1): has ")
    assert mend in found


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("github: {secret: env:A, token: env:B, repositories: ['a/b/c']}", "github.repositories[0]"),
        ("github: {secret: env:A, api: 'http://ghes.example'}", "github.api"),
        ("github: {secret: env:A, suspected: cut}", "github.suspected"),
        ("github: {secret: env:A, proven: ask}", "github.proven"),
        ("event-grid: {secret: env:A, header: Authorization}", "event-grid.header"),
        ("event-grid: {entra: {tenant: contoso.example, audience: a}}", "event-grid.entra.tenant"),
    ],
)
def test_what_a_sender_says_has_its_forms(source: str, place: str) -> None:
    assert error(f"alerts: {{{source}}}").startswith(f"alerts.{place} (line 1): ")


def test_a_source_and_a_credential_say_what_a_case_does() -> None:
    settings: Any = parse("alerts: {defender: {secret: env:A, suspected: rotate}, github: {secret: env:B, proven: cut}}\n" + ONE, "x")
    policy = only(settings).policy
    assert (settings.alerts.source("defender").suspected, settings.alerts.source("github").proven) == (OnSuspicion.ROTATE, Mode.CUT)
    assert settings.alerts.source("signed") is None
    assert when_suspected(policy, OnSuspicion.ROTATE) is OnSuspicion.ROTATE
    assert when_suspected(policy, None) is OnSuspicion.ASK
    own = only(parse(ONE + "    on_suspicion: inform\n    on_compromise: contain\n", "x")).policy
    assert when_suspected(own, OnSuspicion.ROTATE) is OnSuspicion.INFORM
    assert (mode_when_proven(policy, Mode.CUT), mode_when_proven(policy, None)) == (Mode.CUT, Mode.DRAIN)
    assert mode_when_proven(own, Mode.DRAIN) is Mode.CONTAIN


def test_of_two_names_that_differ_in_case_alone_one_is_too_many() -> None:
    found = errors(ONE + ONE.split("\n", 1)[1].replace("name: chat", "name: Chat"))
    assert len(found) == 3


def test_a_credential_that_lacks_everything_is_told_all_of_it() -> None:
    found = errors("credentials:\n  - {}\n")
    assert found == [f"credentials[0].{name} (line 2): is missing" for name in ("name", "account", "secret")]


def test_settings_that_contradict_themselves_are_refused() -> None:
    site = f"{{kind: app-service, site: {SITES}/x, setting: KEY, name: x}}"
    text = ONE + f"    cryptoperiod: 1d\n    overlap: 24h\n    dependents: [{site}, {site}]\n"
    found = errors(text)
    assert "credentials[0]: overlap is not shorter than cryptoperiod, so no rotation could end before the next" in found
    assert "credentials[0].dependents: two are named 'x'; each needs a `name` of its own" in found


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("web: {port: 70000}", "web.port (line 1)"),
        ("web: {port: -1}", "web.port (line 1)"),
        ("limits: {concurrency: 0}", "limits.concurrency (line 1)"),
        ("limits: {concurrency: 1001}", "limits.concurrency (line 1)"),
        ("limits: {compromises_per_hour: 0}", "limits.compromises_per_hour (line 1)"),
        ("ledger: mysql://x", "ledger (line 1)"),
        ("ledger: sqlite:///", "ledger (line 1)"),
        ("defaults: {on_compromise: kill}", "defaults.on_compromise (line 1)"),
        ("defaults: {unprovable: maybe}", "defaults.unprovable (line 1)"),
        ("credentials: {a: b}", "credentials (line 1)"),
        ("credentials: [7]", "credentials[0] (line 1)"),
        ("defaults: []", "defaults (line 1)"),
        (ONE + "    dependents: [{name: x}]\n", "credentials[0].dependents[0].kind (line 5)"),
    ],
)
def test_a_value_out_of_its_bounds_says_where(text: str, path: str) -> None:
    assert error(text).startswith(f"{path}: ")


# --- what is no settings at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["- a\n", "abc", "7", "true", "[]"])
def test_settings_are_a_mapping(text: str) -> None:
    assert "mapping" in error(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("cloud: [\n", "line 2"),
        ("cloud:\n\t- x", "line 2"),
        ("a: b: c\n", "line 1"),
        ("cloud: 'x\n", "line"),
        ("cloud: *nobody\n", "line 1"),
        ("cloud: public\n---\ncloud: usgov\n", "line 2"),
        ("cloud: !!python/object/apply:os.system ['true']\n", "line 1"),
        ("cloud: !own x\n", "line 1"),
        ("%YAML 9.9\n---\ncloud: public\n", ""),
    ],
)
def test_what_is_not_yaml_says_where(text: str, place: str) -> None:
    found = error(text)
    assert "not YAML" in found
    assert place in found


def test_a_key_that_stands_twice_is_refused_because_yaml_would_take_the_last() -> None:
    assert error("cloud: public\ncloud: usgov\n") == "line 2, column 1: not YAML: the key 'cloud' stands twice"
    assert "line 5" in error(ONE + "    name: other\n")


@pytest.mark.parametrize("junk", ["\x00\x01", "cloud: \x07", "\x7fELF\x02"])
def test_control_characters_are_not_yaml(junk: str) -> None:
    assert "not YAML" in error(junk)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    for junk in (b"\xff\xfe\x00c", b"cloud: \xe9\n", b"\x80"):
        path = tmp_path / "rotator.yaml"
        path.write_bytes(junk)
        with pytest.raises(SettingsError) as refused:
            load(path)
        assert "UTF-8" in refused.value.errors[0]


def test_a_file_that_cannot_be_read_says_why_and_what_to_type(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory")):
        with pytest.raises(SettingsError) as refused:
            load(path)
        assert why in refused.value.errors[0]
        assert "--config FILE" in refused.value.errors[0]
        assert refused.value.source == str(path)


def test_an_empty_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "rotator.yaml"
    path.write_bytes(b"")
    assert load(path).credential_list() == []


def test_aliases_are_understood(tmp_path: Path) -> None:
    text = 'defaults: {window: &w {opens: "0 9 * * *", for: 1h}}\n' + ONE + "    window: *w\n"
    assert only(parse(text, "x")).policy.window == Window(opens="0 9 * * *", length=timedelta(hours=1))


# --- fair use of Azure -------------------------------------------------------------------------------------------------------


def test_cadence_leaves_a_share_of_azure_to_others_unless_the_settings_say_otherwise() -> None:
    assert (parse("{}", "test").limits.azure_share, parse("{}", "test").limits.emergency_reserve) == (0.8, 0.2)
    said = parse("limits: {azure_share: 50%, emergency_reserve: 0%}", "test").limits
    assert (said.azure_share, said.emergency_reserve) == (0.5, 0)


@pytest.mark.parametrize(
    "said", ["azure_share: 0%", "azure_share: 110%", "azure_share: 0.8", "emergency_reserve: 100%", "emergency_reserve: -10%"]
)
def test_a_share_that_is_none_is_an_error(said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(f"limits: {{{said}}}", "test")
    assert "limits." + said.partition(":")[0] in caught.value.errors[0]


# --- the schema -------------------------------------------------------------------------------------------------------------


def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_every_example_in_config_loads_and_fits_the_schema() -> None:
    examples = sorted(CONFIG.glob("*.yaml"))
    assert examples or not list(CONFIG.iterdir())
    for path in examples:
        validator().validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert load(path).credential_list(), path


def test_the_schema_in_config_is_the_one_of_the_types() -> None:
    written = json.loads((CONFIG / "settings.schema.json").read_text(encoding="utf-8"))
    assert written == schema(), "rotator config schema > config/settings.schema.json"


@pytest.mark.parametrize("text", [CONTRACT, ONE, "{}", OWN_CLOUD, 'defaults: {window: {opens: "0 9 * * *", for: 1h}}'])
def test_what_loads_fits_the_schema(text: str) -> None:
    validator().validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "cloud: publc",
        "identity: me",
        "defaults: {overlap: soon}",
        "web: {operator_token: literal}",
        "web: {port: 70000}",
        "limits: {concurrency: 0}",
        "alerts: {gitlab: {}}",
        "alerts: {signed: {}}",
        "alerts: {event-grid: {}}",
        "credentials: [{}]",
        ONE.replace("name: chat", "name: x y"),
        ONE.replace("https://kv", "http://kv"),
        *(text for text, _, _, _ in UNKNOWN.values()),
    ],
)
def test_what_the_schema_refuses_does_not_load_either(text: str) -> None:
    assert not validator().is_valid(yaml.safe_load(text))
    assert errors(text)


def test_there_is_an_example_of_every_kind_of_dependent() -> None:
    credentials = [one for path in CONFIG.glob("dependents*.yaml") for one in load(path).credential_list()]
    assert {dependent.kind for credential in credentials for dependent in credential.dependents} == set(KINDS)


# --- many ------------------------------------------------------------------------------------------------------------------


def fleet(size: int) -> str:
    return "credentials:\n" + "".join(
        f"  - name: chat-{number}\n    account: {ACCOUNTS}/chat-{number}\n    secret: https://kv.vault.azure.net/secrets/chat-{number}\n"
        for number in range(size)
    )


def test_ten_thousand_credentials_load() -> None:
    """How long it takes is measured in tests/bench/bench_fleet.py."""
    assert len(parse(fleet(10_000), "x").credential_list()) == 10_000


def test_of_a_thousand_credentials_the_one_that_is_wrong_is_named_with_its_line() -> None:
    text = fleet(1_000) + "    crytoperiod: 7d\n"
    assert error(text) == "credentials[999].crytoperiod (line 3002): unknown key; did you mean 'cryptoperiod'?"


# --- the daemon's limits ----------------------------------------------------------------------------------------------------


def test_waves_are_on_by_default_and_are_shares_of_the_fleet() -> None:
    limits = parse("limits: {wave: {canary: 10%, stop_at: 12.5%}, spread: 0%}", "test").limits
    assert limits.wave.limits() == WaveLimits(canary=0.1, share=0.25, stop_at=0.125, idle=timedelta(hours=1))
    assert limits.spread == 0
    assert parse("", "test").limits.wave.limits() == WaveLimits()


@pytest.mark.parametrize("wrong", ["5", "0.05", "101%", "-1%", "5 %", "%"])
def test_a_share_is_a_percentage(wrong: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse(f"limits: {{spread: '{wrong}'}}", "test")
    assert raised.value.errors == ["limits.spread (line 1): not a share; write a percentage, like 5%"]


# --- stages -------------------------------------------------------------------------------------------------------------------

STAGED = (
    ONE
    + """\
    grace: 1h
    stages: {pause: 10m}
    dependents:
      - {kind: health, name: try, url: "https://a.example/h", canary: true}
      - {kind: health, name: api, url: "https://b.example/h"}
      - {kind: health, name: batch, url: "https://c.example/h", stage: 2}
"""
)


def test_stages_canary_and_pause_are_read() -> None:
    (one,) = parse(STAGED, "test").credential_list()
    assert one.policy.pause == timedelta(minutes=10)
    assert [(each.name, each.stage, each.canary) for each in one.dependents] == [("try", 1, True), ("api", 1, False), ("batch", 2, False)]
    assert "stage" not in one.dependents[0].parameters
    assert "canary" not in one.dependents[0].parameters


def test_a_pause_may_be_a_default_of_the_fleet() -> None:
    (one,) = parse("defaults: {stages: {pause: 90s}}\n" + ONE, "test").credential_list()
    assert one.policy.pause == timedelta(seconds=90)
    assert parse(ONE, "test").credential_list()[0].policy.pause == timedelta(0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STAGED.replace("stage: 2", "stage: 0"), "credentials[0].dependents[2].stage"),
        (STAGED.replace("stage: 2", "stage: 10"), "credentials[0].dependents[2].stage"),
        (STAGED.replace("canary: true", "canary: 1"), "credentials[0].dependents[0].canary"),
        (STAGED.replace("pause: 10m", "pauses: 10m"), "did you mean 'pause'?"),
        (STAGED.replace("pause: 10m", "pause: 30m"), "the pauses are together not shorter than grace"),
    ],
)
def test_stages_that_cannot_be_are_said_to_be_so(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as found:
        parse(text, "test")
    assert says in "\n".join(found.value.errors)
