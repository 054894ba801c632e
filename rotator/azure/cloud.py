"""Which Azure: where its directory and its resource manager are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Where Azure is. `audience` is what a token for ARM is asked for, `database_audience` one for its PostgreSQL; `private` a cloud that
    Entra's public directory does not know."""

    authority: str
    resource_manager: str
    audience: str
    ca_file: str | None = None
    verify_challenge_resource: bool = True
    private: bool = False
    database_audience: str = ""


CLOUDS = {
    "public": Cloud(
        authority="https://login.microsoftonline.com",
        resource_manager="https://management.azure.com",
        audience="https://management.azure.com",
        database_audience="https://ossrdbms-aad.database.windows.net",
    ),
    "usgov": Cloud(
        authority="https://login.microsoftonline.us",
        resource_manager="https://management.usgovcloudapi.net",
        audience="https://management.core.usgovcloudapi.net",
        database_audience="https://ossrdbms-aad.database.usgovcloudapi.net",
    ),
    "china": Cloud(
        authority="https://login.chinacloudapi.cn",
        resource_manager="https://management.chinacloudapi.cn",
        audience="https://management.chinacloudapi.cn",
        database_audience="https://ossrdbms-aad.database.chinacloudapi.cn",
    ),
}
"""As `azure.mgmt.core.tools.get_arm_endpoints` has them; a test holds the two together."""
