"""The client's address, as limits count it."""

import ipaddress

from starlette.types import Scope


def client_address(scope: Scope) -> str:
    """Return the client's address; of IPv6 the /64 network, because one customer gets all of it."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
