"""The cheapest question that only a live key can ask, for each kind of account, and what its answers mean.

A table of facts from Azure's documents. 401 speaks of the key; 403 (local auth off, firewall), 429, 5xx and silence say nothing about it.
Each probe opens a connection of its own: a pooled one may end at a gateway that remembers.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from rotator.azure import Azure
from rotator.core.faults import Throttled
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.engine.ports import Answer, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request. `accepted` are the answers that a live key gets; `{id}` stands for a random job that does not exist."""

    path: str
    method: str = "GET"
    header: str = "Ocp-Apim-Subscription-Key"
    accepted: frozenset[int] = frozenset({200})


_MODELS = Probe(path="/openai/models?api-version=2024-10-21", header="api-key")
_TOKEN = Probe(path="/sts/v1.0/issueToken", method="POST")

PROBES: dict[str, Probe] = {
    "OpenAI": _MODELS,
    "AIServices": _MODELS,
    "SpeechServices": _TOKEN,
    "TextTranslation": _TOKEN,
    "TextAnalytics": Probe(path="/language/analyze-text/jobs/{id}?api-version=2023-04-01", accepted=frozenset({200, 404})),
    "FormRecognizer": Probe(path="/documentintelligence/info?api-version=2024-11-30"),
    "ContentSafety": Probe(path="/contentsafety/text/blocklists?api-version=2023-10-01"),
    "ComputerVision": Probe(path="/vision/v3.2/models"),
    "Face": Probe(path="/face/v1.0/largefacelists?top=1"),
}
_BY_LOWER_CASE = {kind.lower(): probe for kind, probe in PROBES.items()}


def probe_of(kind: str) -> Probe | None:
    """The probe of a kind of account, however it is spelled: Azure takes names without regard to case."""
    return _BY_LOWER_CASE.get(kind.lower())


class Probes:
    """Fulfils `DataPlane` over plain HTTP: no SDK of these services has a call that costs nothing."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    async def probe(self, account: AccountView, endpoint: str, value: Sealed) -> Answer:
        """Ask `endpoint` once with `value`. Never raises: what goes wrong is inconclusive."""
        probe = probe_of(account.kind)
        if probe is None:
            return _answer(Verdict.BARRED, f"kind {account.kind} has no known probe")
        if not endpoint.lower().startswith("https://"):
            return _answer(Verdict.BARRED, "the endpoint is not https: a key is never sent there")
        url = endpoint + probe.path.replace("{id}", str(uuid.uuid4()))
        try:
            async with (
                self._azure.probing.taken(),
                self._azure.probes.request(
                    probe.method,
                    url,
                    headers={probe.header: value.reveal()},
                    data=b"" if probe.method == "POST" else None,
                    allow_redirects=False,
                ) as response,
            ):
                return _answer(_verdict(probe, response.status), str(response.status))
        except (aiohttp.ClientError, TimeoutError, ValueError, Throttled) as error:  # ValueError: no header can carry this value
            return _answer(Verdict.INCONCLUSIVE, type(error).__name__)


def _verdict(probe: Probe, status: int) -> Verdict:
    match status:
        case _ if status in probe.accepted:
            return Verdict.ACCEPTED
        case 401:
            return Verdict.REFUSED
        case 403:
            return Verdict.BARRED
        case 400 | 404 | 405 | 410:
            return Verdict.NOT_SERVED
        case _:
            return Verdict.INCONCLUSIVE


def _answer(verdict: Verdict, seen: str) -> Answer:
    return Answer(verdict=verdict, seen=seen, at=datetime.now(UTC))
