"""Which addresses a request may go to: checked as the socket is made, so that no name can lead elsewhere afterwards."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from aiohttp import TCPConnector

NAT64: Final = IPv6Network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The receiver's name stands for an address that is not of the public internet."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, through what is wrapped in it.

    >>> [is_public(address) for address in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2001:4860:4860::8888")]
    [True, False, False, True]
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        wrapped = _wrapped(ip)
        if wrapped is not None:
            ip = wrapped
        elif ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    """The address that the network, or a gateway on the way, would make of it."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour


def connector(*, private_addresses: bool) -> TCPConnector:
    """A connector to public addresses only, or to any; needs a running event loop."""
    return TCPConnector(limit=0, socket_factory=None if private_addresses else _public_socket)


def _public_socket(address_info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = address_info
    if not is_public(address[0]):
        # Without the address, which would tell who can read the dead letters what is in our network.
        raise PrivateAddressError("its address is not public; see the setting notify_private_addresses")
    return socket.socket(family=family, type=kind, proto=protocol)
