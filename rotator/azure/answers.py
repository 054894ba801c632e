"""What came back, as a fault: named by what to do next, without a payload, a header or a key. Nowhere else is an SDK error read."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from rotator.azure.wire import NOT_ACCEPTED, sent_once
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient

LINKED = ("LinkedAuthorizationFailed", "LinkedAccessCheckFailed")
"""The write is allowed where it happens, and not on something that its body names."""
RETRY_AFTER_UNSAID = timedelta(seconds=5)
RETRY_AFTER_MAX = timedelta(hours=1)


@contextlib.contextmanager
def faults(what: str, *, mutates: bool = False, needs: str = "") -> Iterator[None]:
    """Translate whatever an SDK raises into a fault. `needs` names the permission that a 403 asks for."""
    with sent_once(what) if mutates else contextlib.nullcontext():
        try:
            yield
        except Fault:
            raise
        except AzureError as error:
            raise _fault(what, error, mutates, needs) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise lost(what, error, mutates) from error
        except _UNREADABLE as error:
            raise _odd(what, error, mutates) from error


def _fault(what: str, error: AzureError, mutates: bool, needs: str) -> Fault:
    status = getattr(error, "status_code", None)
    if isinstance(error, ClientAuthenticationError):
        return Denied(f"{what}: our identity is not accepted ({code_of(error) or status})", remedy=NOT_ACCEPTED)
    if not isinstance(error, HttpResponseError) or status is None or status < 400:
        return lost(what, error, mutates)
    told = f"{what}: {status} {code_of(error)}".rstrip()
    match status:
        case 401 | 403:
            return Denied(told, remedy=_grant(error, needs))
        case 404:
            return Missing(told)
        case 409 | 412:
            return Conflict(told)
        case 429:
            return Throttled(told, until=datetime.now(UTC) + retry_after(error))
        case _ if status >= 500 or status == 408:
            return Ambiguous(told) if mutates else Transient(told)
        case _:
            return Rejected(told)


def _grant(error: HttpResponseError, needs: str) -> str:
    barred = "Firewall" in (code_of(error) or "") or "ForbiddenByFirewall" in (_inner_code(error) or "")
    if barred:
        return "the vault's firewall does not let this machine in: allow its address or use a private endpoint"
    if code_of(error) in LINKED:
        return "grant rotator's identity what Azure asks for on an identity or a subnet that it is linked to: rotator doctor names both"
    return f"grant {needs} to rotator's identity" if needs else "grant rotator's identity access"


_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


def lost(what: str, error: Exception, mutates: bool) -> Fault:
    """No usable answer. Only where not even a connection was made can nothing have happened."""
    cause = error if isinstance(error, _UNSENT) else error.__cause__ or error
    unsent = isinstance(cause, _UNSENT)
    told = f"{type(cause).__name__}{f', {cause.host}:{cause.port}' if isinstance(cause, aiohttp.ClientConnectorError) else ''}"
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return Transient(f"{what}: the server's certificate is not trusted ({told})", remedy="name its CA in `cloud: {ca_file: …}`")
    if mutates and not unsent:
        return Ambiguous(f"{what}: no answer ({told})")
    return Transient(f"{what}: {'no connection' if unsent else 'no answer'} ({told})")


_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What the SDKs raise over an answer that is not as documented: `null`, a list for an object, an id that is none."""


def _odd(what: str, error: Exception, mutates: bool) -> Fault:
    """A challenge comes before the call; any other answer comes after it, whatever it says."""
    if "challenge resource" not in str(error):
        kind = Ambiguous if mutates else Transient
        return kind(f"{what}: the answer is not of the documented form ({type(error).__name__})")
    remedy = "if the vault stands behind a private name, set `cloud: {verify_challenge_resource: false}`"
    return Rejected(f"{what}: the vault asks for a token of another domain than its own", remedy=remedy)


def code_of(error: AzureError) -> str:
    """Azure's error code (`AuthorizationFailed`), which never carries a payload, unlike its message."""
    code = getattr(getattr(error, "error", None), "code", None)
    return code if isinstance(code, str) and code.replace("_", "").replace(".", "").isalnum() and len(code) < 80 else ""


def _inner_code(error: AzureError) -> str:
    inner = getattr(getattr(error, "error", None), "innererror", None)
    code = inner.get("code") if isinstance(inner, Mapping) else None
    return code if isinstance(code, str) else ""


def retry_after(error: HttpResponseError) -> timedelta:
    """What the service asks for, in seconds, milliseconds or as an HTTP date; never longer than the longest that is waited."""
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    for name, unit_s in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with contextlib.suppress(ValueError):
            asked_s = float(headers.get(name, "")) * unit_s
            if math.isfinite(asked_s) and asked_s >= 0:
                return timedelta(seconds=min(asked_s, RETRY_AFTER_MAX.total_seconds()))
    try:
        asked = parsedate_to_datetime(headers.get("Retry-After", "")) - datetime.now(UTC)
    except (ValueError, TypeError):
        return RETRY_AFTER_UNSAID
    return min(max(asked, timedelta(0)), RETRY_AFTER_MAX)


def error_code(fault: Fault) -> tuple[str, str]:
    """Azure's code and inner code behind a fault, for the adapters that must tell one 403 or 409 from another."""
    cause = fault.__cause__
    return (code_of(cause), _inner_code(cause)) if isinstance(cause, AzureError) else ("", "")
