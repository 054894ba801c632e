"""What a call to Azure is called where it is counted: by its sort, never by the name of a resource, so that there are few of them."""

from collections.abc import Callable
from urllib.parse import urlsplit

Heard = Callable[[str, str, float], None]
"""Is told of each call: its operation, its answer (a status, or why there was none), and how many seconds it took."""

PROBE = "data plane"
"""What a question with a key is called, whatever the kind of its account."""


def unheard(_operation: str, _answer: str, _seconds: float) -> None:
    """Nobody counts."""


def operation_of(method: str, url: str, otherwise: str = "other") -> str:
    """`POST Microsoft.CognitiveServices/accounts/listKeys`, `PUT secrets`, `POST token`: the words of a path without its names."""
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    lowered = [segment.lower() for segment in segments]
    if "providers" in lowered:
        last = len(lowered) - 1 - lowered[::-1].index("providers")
        provider, path = segments[last + 1 : last + 2], segments[last + 2 :]
        return f"{method} {'/'.join(provider + path[0::2])}"
    if "subscriptions" in lowered:
        return f"{method} {'/'.join(segments[0::2])}"
    if lowered[-1:] == ["token"] or "openid-configuration" in lowered:
        return f"{method} token"
    for sort in ("deletedsecrets", "secrets"):
        if sort in lowered:
            return f"{method} {sort}"
    return f"{method} {otherwise}"
