"""Which addresses a webhook may lead to: public ones, and networks that the operator has named."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pydantic import HttpUrl, TypeAdapter, ValidationError

from lethe.server.errors import InvalidValue
from lethe.server.settings import parse_networks
from lethe.server.webhooks.schemas import URL_CHARS

_METADATA = ip_address("168.63.129.16")
"""Azure's metadata service, the only one at a public address."""
_PUBLIC_V6 = ip_network("2000::/3")
_TRANSLATED = (ip_network("2001::/32"), ip_network("2002::/16"))
"""Teredo and 6to4: they name an IPv4 address behind a tunnel."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class InvalidWebhook(InvalidValue):
    """The address or the events of a webhook cannot be used."""

    code = "invalid_webhook"
    title = "Invalid webhook"


def is_public(address: Address) -> bool:
    """Whether `address` is a global unicast address: none of this machine, its networks or its cloud's metadata."""
    if not address.is_global or address.is_multicast or address == _METADATA:
        return False
    if isinstance(address, IPv4Address):
        return not address.is_reserved
    return address in _PUBLIC_V6 and not any(address in network for network in _TRANSLATED)


def is_named(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the operator has named a network of `address`."""
    return any(address in network for network in networks)


def require_address(text: str, setting: str) -> str:
    """Return the address of a webhook as it is stored; raises InvalidWebhook with what is wrong.

    Names are not looked up here: that happens when something is sent. `setting` is LETHE_WEBHOOK_NETWORKS.
    """
    try:
        url = TypeAdapter(HttpUrl).validate_python(text.strip())
    except ValidationError as error:
        raise InvalidWebhook("Give an address such as https://example.org/hook.") from error
    networks = parse_networks(setting)
    if url.username is not None or url.password is not None or url.fragment is not None or url.host is None:
        raise InvalidWebhook("Give an address without a user, a password and a #: put a token into its path.")
    if len(str(url)) > URL_CHARS or len(text) > URL_CHARS:
        raise InvalidWebhook(f"An address has {URL_CHARS} characters at most.")
    if url.scheme != "https" and not networks:
        raise InvalidWebhook("Give an address that begins with https://.")
    try:
        literal = ip_address(url.host.strip("[]"))
    except ValueError:
        return str(url)
    if not is_public(literal) and not is_named(literal, networks):
        raise InvalidWebhook("This is no public address. The operator can allow a network: LETHE_WEBHOOK_NETWORKS.")
    return str(url)
