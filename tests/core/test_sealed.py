"""A sealed value is talked about by its fingerprint, and no way of printing, copying or failing shows a byte of it."""

import ast
import copy
import dataclasses
import functools
import gc
import hashlib
import json
import logging
import pickle
import pprint
import secrets
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rotator
from rotator.core.sealed import Sealed, alive, fingerprint

ROTATOR = Path(rotator.__file__).parent

REVEALED = {
    "doctor/alerts.py": 2,  # the Authorization headers of GitHub's and GitGuardian's APIs, to try a token
    "doctor/notify.py": 1,  # an address to tell people at, to learn its host
    "survey/holders.py": 1,  # a vault's text, for the keys inside it, sealed again
    "alerts/authentic.py": 3,  # the key of an HMAC; the secret of a header, to compare it; its decoded form
    "alerts/github_api.py": 1,  # the Authorization header
    "alerts/gitguardian_api.py": 1,  # the Authorization header
    "engine/drift.py": 1,
    "dependents/api_management.py": 2,  # the body of a named value's and of a backend's write
    "dependents/app_configuration.py": 1,  # an access key of the store, for its client
    "dependents/app_service.py": 1,  # the body of a write of settings
    "dependents/arm.py": 1,  # a plain value in the dependent's own form, sealed again
    "dependents/azure_devops.py": 3,  # the body of a group's and of a connection's write; our token
    "dependents/command.py": 1,  # the standard input of a command
    "dependents/container_instance.py": 2,  # the body of a group's write: our value, and those that have to be supplied again
    "dependents/container_secrets.py": 1,  # the body of a write of secrets
    "dependents/data_factory.py": 1,  # the body of a linked service's write
    "dependents/foundry_connection.py": 1,  # the body of a connection's write
    "dependents/github_secret.py": 2,  # into GitHub's sealed box; our token
    "dependents/kubernetes_secret.py": 1,  # the patch of a Secret
    "dependents/machine_learning_connection.py": 1,  # the body of a connection's write
    "dependents/vault_copy.py": 1,  # the body of a copy's set
    "dependents/views.py": 1,  # a plain value in the dependent's own form, sealed again
    "dependents/webhook.py": 1,  # the signing secret, for the signature
    "engine/observe.py": 1,  # the key inside the vault's text, to compare it
    "engine/perform.py": 3,  # the text of a new version; an old version's key, to probe it
    "ledger/login.py": 1,  # a token, as the password of a login to PostgreSQL
    "issuers/probes.py": 1,  # the header of a probe
    "notifier.py": 1,  # an address to tell people at, which holds a token
    "cli/drill.py": 1,  # the signing secret, for the signature of a drill's alert
    "wiring.py": 3,  # the secrets of the senders, the operator's token and the viewer's, which their rooms seal again
    "key_vault.py": 1,  # the body of a set
}
"""Every place where a value leaves its seal, by file. One more is a decision: say here where it goes."""


@dataclasses.dataclass
class Carrier:
    """Something that holds a value, as our own types do."""

    name: str
    value: Sealed


@pytest.fixture
def secret() -> str:
    return secrets.token_hex(16)


SHOWN: dict[str, Callable[[Sealed], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda sealed: f"{sealed} {sealed!r} {sealed!s} {sealed!a}",
    "percent": lambda sealed: "%s %r" % (sealed, sealed),  # noqa: UP031  # the logging module's own notation
    "in a list": lambda sealed: repr([sealed, (sealed,), {"key": sealed}, {sealed}]),
    "pprint": lambda sealed: pprint.pformat({"key": [sealed]}),
    "in a dataclass": lambda sealed: repr(Carrier(name="chat", value=sealed)),
    "json, forced": lambda sealed: json.dumps({"key": sealed}, default=str),
    "a log record": lambda sealed: logging.LogRecord("x", logging.INFO, __file__, 1, "key %s", (sealed,), None).getMessage(),
    "in an exception": lambda sealed: repr(ValueError(sealed)) + str(KeyError(sealed)),
    "dir": lambda sealed: repr(dir(sealed)),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN.keys())
def test_no_way_of_printing_shows_the_value(show: Callable[[Sealed], str], secret: str) -> None:
    text = show(Sealed(secret))
    assert secret not in text
    assert not any(secret[start : start + 8] in text for start in range(len(secret) - 8))


def test_a_format_specification_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(TypeError) as refused:
        format(Sealed(secret), ">80")
    assert secret not in str(refused.value)


TAKEN: dict[str, Callable[[Any], object]] = {
    **{f"pickle {number}": functools.partial(pickle.dumps, protocol=number) for number in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy inside": lambda sealed: copy.deepcopy({"key": [sealed]}),
    "dataclass as a dictionary": lambda sealed: dataclasses.asdict(Carrier(name="chat", value=sealed)),
    "json": json.dumps,
    "vars": vars,
    "iteration": list,
    "length": len,
    "bytes": bytes,
}


@pytest.mark.parametrize("take", TAKEN.values(), ids=TAKEN.keys())
def test_no_way_of_copying_takes_the_value_out_of_memory(take: Callable[[Any], object], secret: str) -> None:
    with pytest.raises(TypeError) as refused:
        take(Sealed(secret))
    assert secret not in str(refused.value)


def test_a_traceback_with_all_its_variables_does_not_show_the_value(secret: str) -> None:
    def fails(sealed: Sealed) -> None:
        held = {"key": sealed, "carrier": Carrier(name="chat", value=sealed)}
        raise RuntimeError(f"with {sealed} and {held}")

    sealed = Sealed(secret)
    del secret
    try:
        fails(sealed)
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Sealed(" in text
    assert sealed.reveal() not in text


def test_equality_is_that_of_the_values_and_of_nothing_else(secret: str) -> None:
    assert Sealed(secret) == Sealed(secret)
    assert hash(Sealed(secret)) == hash(Sealed(secret))
    assert Sealed(secret) != Sealed(secret[:-1])
    assert Sealed(secret) != Sealed(secret + "0")
    assert Sealed(secret) != secret
    assert Sealed("schlüssel") == Sealed("schlüssel")


def test_values_are_compared_in_constant_time() -> None:
    """Read off the source, because a clock could not tell it on a busy machine."""
    tree = ast.parse((ROTATOR / "core" / "sealed.py").read_text(encoding="utf-8"))
    equal = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__eq__")
    calls = [node.func.attr for node in ast.walk(equal) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    assert "compare_digest" in calls
    assert not any(isinstance(node, ast.Compare) for node in ast.walk(equal))


def test_a_fingerprint_names_a_value_and_tells_nothing_of_it(secret: str) -> None:
    name = fingerprint(secret)
    assert name == Sealed(secret).fingerprint == fingerprint(secret)
    assert len(name) == 26
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert name != fingerprint(secret + " ")


def test_a_fingerprint_is_no_plain_hash_so_that_no_table_of_hashes_knows_it(secret: str) -> None:
    digest = hashlib.sha256(secret.encode()).digest()
    assert Sealed(secret).sha256() == digest.hex()
    assert bytes(digest[:16]).hex() not in (fingerprint(secret), Sealed(secret).fingerprint)


@given(st.lists(st.text(st.characters(codec="utf-8")), unique=True, min_size=2, max_size=5))
def test_different_values_have_different_fingerprints(values: list[str]) -> None:
    assert len({fingerprint(one) for one in values}) == len(values)


def test_the_hash_of_gitguardian_is_the_one_its_alerts_carry() -> None:
    found = Sealed("test").hmsl_hash()
    assert (found[:8], found[-4:], len(found)) == ("bdbfe17c", "a75f", 64), "the vector of ggshield's own tests"


def test_what_the_scrubber_asks_is_answered_without_giving_the_value_out(secret: str) -> None:
    sealed = Sealed(secret)
    assert sealed.occurs_in(f"key={secret}!")
    assert not sealed.occurs_in("nothing here")
    assert sealed.cut_from(f"{secret} and {secret}", "[gone]") == "[gone] and [gone]"


def test_an_empty_value_occurs_nowhere() -> None:
    assert not Sealed("").occurs_in("any text")
    assert Sealed("").cut_from("any text", "[gone]") == "any text"


def test_a_value_is_known_to_the_scrubber_for_as_long_as_it_lives(secret: str) -> None:
    sealed = Sealed(secret)
    assert sealed in alive()
    name = sealed.fingerprint
    del sealed
    gc.collect()
    assert name not in {one.fingerprint for one in alive()}


def test_a_seal_takes_no_further_attribute(secret: str) -> None:
    with pytest.raises(AttributeError):
        Sealed(secret).note = "x"  # type: ignore[attr-defined]


def test_the_places_where_a_value_leaves_its_seal_are_known() -> None:
    found: Counter[str] = Counter()
    for file in ROTATOR.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "reveal":
                found[str(file.relative_to(ROTATOR))] += 1
    assert dict(found) == REVEALED


def test_nothing_reaches_behind_the_seal() -> None:
    """`_value` is touched in sealed.py alone, and no getattr goes round it."""
    for file in ROTATOR.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "__getstate__" not in text
        assert file.name == "sealed.py" or "._value" not in text, file
