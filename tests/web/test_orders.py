"""Orders to the running daemon over HTTP: who is let in, what is taken, and `rotator revoke --server`, which follows to the last 401."""

import http.server
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rotator.cli import main
from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from rotator.sandbox.signed_tokens import signed_token
from tests.sandbox.conftest import Estate, build_estate
from tests.sandbox.test_serve import Served

DONE, FAILED, USAGE, REFUSED, NOTHING_MATCHED = 0, 1, 2, 3, 4


class Daemon:
    """A daemon that is served, its token, and a person elsewhere who has neither its settings nor its ledger."""

    def __init__(self, served: Served, token: str, directory: Path) -> None:
        self.served, self.token, self.directory = served, token, directory
        self.port = served.until(lambda: served.told("listening"), "listening")[0]["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, given: str | None = None, token: str | None = None) -> Result:
        environment = {
            "ROTATOR_OPERATOR_TOKEN": self.token if token is None else token,
            "ROTATOR_CONFIG": str(self.directory / "none.yaml"),
        }
        done = CliRunner().invoke(main, ["revoke", *arguments, "--server", self.url], input=given, env=environment, prog_name="rotator")
        assert self.token not in done.output
        for key in self.served.estate.azure.keys_ever:
            assert key.value not in done.output, arguments
        return done

    def json(self, *arguments: str, given: str | None = None, code: int = DONE) -> Any:
        done = self.run(*arguments, "--output", "json", given=given)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def post(self, body: Any, *, token: str | None = None, path: str = "/orders/revoke") -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=raw, method="POST")
        request.add_header("Authorization", f"Bearer {self.token if token is None else token}")
        return answered(request)

    def mints(self, name: str) -> int:
        return self.served.estate.mints(name)


def answered(request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    place = tmp_path_factory.mktemp("orders")
    token = secrets.token_urlsafe(32)
    (place / "operator").write_text(token, encoding="utf-8")
    with SandboxThread(place, seed=61) as azure:
        estate = build_estate(azure, place, 6, stop_within="2s")
        serve(estate, operator_token=f"file:{place / 'operator'}")
        served = Served(estate)
        try:
            yield Daemon(served, token, place)
        finally:
            served.end()
        assert not [key for key in azure.keys_ever if key.value in str(served.lines)], "a key in the log"
        assert token not in str(served.lines)


def serve(estate: Estate, **web: Any) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    document["web"] = {"port": 0, **web}
    estate.settings.write_text(yaml.safe_dump(document), encoding="utf-8")


def an_order(**said: Any) -> dict[str, Any]:
    return {"id": f"ord-{secrets.token_hex(8)}", **said}


def test_a_person_without_the_ledger_revokes_by_name_and_follows_to_the_last_401(daemon: Daemon) -> None:
    estate = daemon.served.estate
    name = estate.names[0]
    old = estate.azure.account(name).keys["key1"]
    planned = daemon.json(name, "--dry-run", "--mode", "cut")
    assert [(row["name"], row["outcome"]) for row in planned] == [(name, "planned")]
    assert planned[0]["fingerprints"] == [fingerprint(old)]
    assert "fails from the kill on" in planned[0]["impact"][0]
    assert daemon.mints(name) == 0

    assert daemon.run(name).exit_code == REFUSED, "no terminal, no yes"
    (row,) = daemon.json(name, "--mode", "cut", "--yes", "--reason", "laptop stolen")
    assert (row["name"], row["outcome"], row["reason"]) == (name, "dead", "key_compromise")
    assert {"revoke", "publish", "prove_dead"} <= {step["step"] for step in row["steps"]}
    assert set(row["timings"]) == {"reported", "published", "revoked", "first_401", "stable_401"}
    assert None not in row["timings"].values()
    assert old not in estate.azure.account(name).keys.values()
    ((fields,),) = estate.rows("SELECT fields FROM audit WHERE event = 'order.revoke' AND fields LIKE '%laptop stolen%'")
    assert "(operator token)" in fields


def test_a_leaked_key_stays_here_and_only_its_fingerprint_is_sent(daemon: Daemon) -> None:
    estate = daemon.served.estate
    name = estate.names[1]
    leaked = estate.azure.account(name).keys["key2"]
    (row,) = daemon.json("--leaked-key", "-", "--yes", given=f'AZURE_OPENAI_API_KEY="{leaked}"\n')
    assert (row["name"], row["outcome"]) == (name, "dead")
    (again,) = daemon.json("--fingerprint", fingerprint(leaked), "--yes")
    assert again["outcome"] in ("dead", "already_dead")
    assert daemon.mints(name) == 1
    assert leaked not in str(estate.rows("SELECT fields FROM audit"))
    done = daemon.run("--leaked-key", "-", "--yes", given=secrets.token_hex(16))
    assert done.exit_code == NOTHING_MATCHED, done.output
    assert "not ours" in done.stderr
    assert daemon.run("no-such-name", "--yes").exit_code == NOTHING_MATCHED


def test_a_scanners_report_is_read_here(daemon: Daemon, tmp_path: Path) -> None:
    estate = daemon.served.estate
    name = estate.names[2]
    leaked = estate.azure.account(name).keys["key1"]
    file = tmp_path / "report.json"
    file.write_text(json.dumps([{"RuleID": "key", "Secret": leaked, "File": "a.env", "StartLine": 3}]), encoding="utf-8")
    (row,) = daemon.json("--report", str(file), "--yes", "--mode", "cut")
    assert (row["name"], row["outcome"]) == (name, "dead")


def test_an_order_that_comes_twice_is_one(daemon: Daemon) -> None:
    estate = daemon.served.estate
    name = estate.names[3]
    order = an_order(names=[name], mode="cut", by="alice@laptop")
    assert [daemon.post(order)[0] for _ in range(2)] == [202, 202]
    request = urllib.request.Request(f"{daemon.url}/orders/{order['id']}", headers={"Authorization": f"Bearer {daemon.token}"})
    daemon.served.until(lambda: answered(request)[1]["done"], "end of the order")
    assert daemon.post(order)[1]["rows"][0]["outcome"] == "dead"
    assert daemon.mints(name) == 1
    assert len(estate.rows(f"SELECT 1 FROM audit WHERE event = 'order.revoke' AND fields LIKE '%{order['id']}%'")) == 1


def test_a_stranger_is_not_let_in_and_learns_nothing(daemon: Daemon) -> None:
    name = daemon.served.estate.names[4]
    for token in ("x", daemon.token[:-1], daemon.token + "x", "a.b.c"):
        status, said = daemon.post(an_order(names=[name]), token=token)
        assert status == 401
        assert name not in str(said)
    done = daemon.run(name, "--yes", token="wrong")
    assert done.exit_code == FAILED
    assert "401" in done.stderr
    bare = urllib.request.Request(f"{daemon.url}/orders/ord-{'0' * 16}")
    assert answered(bare)[0] == 401
    known = urllib.request.Request(f"{daemon.url}/orders/ord-{'0' * 16}", headers={"Authorization": f"Bearer {daemon.token}"})
    assert answered(known)[0] == 404
    assert daemon.mints(name) == 0


NO_ORDERS = {
    "nothing": b"",
    "a list": b"[]",
    "half of one": b"{",
    "a deep one": b"[" * 60_000,
    "a long one": b"x" * 70_000,
    "no id": {"names": ["a"]},
    "no selector": an_order(),
    "two selectors": an_order(names=["a"], fingerprints=["a" * 26]),
    "a fingerprint too long": an_order(fingerprints=["a" * 32]),
    "a fingerprint in capitals": an_order(fingerprints=["A" * 26]),
    "no such slot": an_order(names=["a"], slot="key3"),
    "a slot of a fingerprint": an_order(fingerprints=["a" * 26], slot="key1"),
    "no such mode": an_order(names=["a"], mode="kill"),
    "a word for a flag": an_order(names=["a"], dry_run="yes"),
    "a key in it": an_order(names=["a"], key="x"),
    "too many names": an_order(names=["a"] * 101),
    "a number for a name": an_order(names=[1]),
    "a table for names": an_order(names={"a": 1}),
}


@pytest.mark.parametrize("body", NO_ORDERS.values(), ids=NO_ORDERS)
def test_what_is_no_order_is_refused_without_a_trace(daemon: Daemon, body: Any) -> None:
    status, said = daemon.post(body)
    assert status in (400, 413), said
    assert set(said) == {"error"}


def test_an_address_that_would_show_the_token_or_that_nobody_listens_at_is_told() -> None:
    def run(server: str, token: str = "t" * 20) -> Result:
        return CliRunner().invoke(main, ["revoke", "x", "--yes", "--server", server], env={"ROTATOR_OPERATOR_TOKEN": token})

    for server, says in (
        ("http://rotator.example.com", "use https"),
        ("ftp://x", "daemon's address"),
        ("https://u:p@x", "daemon's address"),
    ):
        done = run(server)
        assert done.exit_code == USAGE
        assert says in done.stderr
    assert "never an argument" in run("http://127.0.0.1:1", token="").stderr
    done = run("http://127.0.0.1:1")
    assert done.exit_code == FAILED
    assert "cannot be reached" in done.stderr


class _Older(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"404: Not Found")

    def log_message(self, *_: Any) -> None:
        pass


def test_an_older_daemon_is_told_from_one_that_refuses() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Older)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        arguments = ["revoke", "x", "--yes", "--server", f"http://127.0.0.1:{server.server_port}"]
        done = CliRunner().invoke(main, arguments, env={"ROTATOR_OPERATOR_TOKEN": "t" * 20})
    finally:
        server.shutdown()
    assert done.exit_code == FAILED
    assert "older daemon" in done.stderr


def test_a_daemon_that_is_killed_after_an_order_leaves_it_to_the_next_one_which_also_tells_how_it_stands(tmp_path: Path) -> None:
    """The person who gave the order sees the death of the key, though not the one who began it; and it is killed once."""
    token = secrets.token_urlsafe(32)
    (tmp_path / "operator").write_text(token, encoding="utf-8")
    with SandboxThread(tmp_path, seed=64) as azure:
        estate = build_estate(azure, tmp_path, 1, stop_within="2s")
        serve(estate, operator_token=f"file:{tmp_path / 'operator'}")
        first = Served(estate)
        daemon = Daemon(first, token, tmp_path)
        old = azure.account("chat-prod").keys["key1"]
        azure.fault("RegenerateKey", "hang:60")
        order = ["revoke", "chat-prod", "--mode", "cut", "--yes", "--server", daemon.url, "--output", "json"]
        person = estate.start(*order, environment={"ROTATOR_OPERATOR_TOKEN": token})
        first.until(lambda: [entry for entry in azure.journal if entry.operation == "RegenerateKey"], "kill that hangs")
        first.process.kill()
        first.process.wait(10)
        azure.clear_faults()
        serve(estate, operator_token=f"file:{tmp_path / 'operator'}", port=daemon.port)
        second = Served(estate)
        try:
            out, err = person.communicate(timeout=60)
            (row,) = json.loads(out)
            assert (person.returncode, row["name"], row["outcome"]) == (DONE, "chat-prod", "dead"), err
            assert old not in azure.account("chat-prod").keys.values()
            estate.assert_no_call_came_twice("chat-prod")
            assert estate.rows("SELECT count(*) FROM incidents") == [(1,)]
            assert estate.rows("SELECT count(*) FROM audit WHERE event = 'order.revoke'") == [(1,)]
            for said in (out, err, str(first.lines), str(second.lines)):
                assert token not in said
                assert not [key for key in azure.keys_ever if key.value in said]
        finally:
            second.end()


def test_without_a_token_in_the_settings_nobody_is_let_in(tmp_path: Path) -> None:
    with SandboxThread(tmp_path, seed=62) as azure:
        estate = build_estate(azure, tmp_path, 1, stop_within="2s")
        serve(estate)
        served = Served(estate)
        try:
            shut = Daemon(served, "t" * 20, tmp_path)
            status, said = shut.post(an_order(names=["chat-prod"]))
            assert status == 404
            assert "orders are not taken" in said["error"]
            done = shut.run("chat-prod", "--yes")
            assert done.exit_code == FAILED
            assert "web.operator_token" in done.stderr
        finally:
            served.end()


def test_an_entra_token_with_the_role_is_let_in_and_is_named_in_the_audit(tmp_path: Path) -> None:
    """As `az account get-access-token` gives it; without the role, of another application, or for another audience it opens nothing."""
    with SandboxThread(tmp_path, seed=63) as azure:
        estate = build_estate(azure, tmp_path, 1, stop_within="2s")
        azure_cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
        serve(estate, entra={"tenant": azure.tenant, "audience": "api://rotator", "callers": [azure_cli]})
        good = {"aud": "api://rotator", "azp": azure_cli, "roles": ["Rotator.Operator"], "preferred_username": "alice@example.com"}

        def token(**changes: Any) -> str:
            return signed_token(azure.state, azure.authority, {**good, **changes})

        served = Served(estate)
        try:
            daemon = Daemon(served, token(), tmp_path)
            odd: list[dict[str, Any]] = [{"roles": []}, {"azp": azure_cli[:-1] + "7"}, {"aud": "api://another"}, {"exp": 1}]
            for changes in odd:
                assert daemon.post(an_order(names=["chat-prod"]), token=token(**changes))[0] == 401, changes
            assert estate.mints("chat-prod") == 0
            (row,) = daemon.json("chat-prod", "--yes", "--mode", "cut")
            assert row["outcome"] == "dead"
        finally:
            served.end()
        ((fields,),) = estate.rows("SELECT fields FROM audit WHERE event = 'order.revoke'")
        assert "Entra alice@example.com" in fields


def test_entra_without_callers_is_refused_when_the_settings_are_read(tmp_path: Path) -> None:
    settings = tmp_path / "rotator.yaml"
    tenant = "00000000-0000-0000-0000-000000000000"
    settings.write_text(yaml.safe_dump({"web": {"entra": {"tenant": tenant, "audience": "api://rotator"}}}), encoding="utf-8")
    done = CliRunner().invoke(main, ["config", "check", "--config", str(settings)])
    assert done.exit_code == USAGE
    assert "has no callers" in done.stderr
