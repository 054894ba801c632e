"""The one stylesheet (`page.css`), and the headers by which a browser takes nothing else. No script, no image, no font, no frame.

Shape and word say what colour says, so that nobody needs to tell red from green. Widths inside pictures are shares of what there is.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

SHEET = Markup(STYLE)  # noqa: S704  # a file of ours, and the only text of a page that is not escaped

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of every answer that is a page, refusals too."""
