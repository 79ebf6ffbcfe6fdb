"""What a plugin may reach over the network: frozen, and nothing unless it is granted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: What plays the other side of a connection: see :class:`Network`.
Handler = Callable[[Any], object]

_PATTERN = re.compile(
    r"(?:(?P<protocol>tcp|udp)://)?(?P<host>\[[^\[\]]+\]|[^\[\]:]+):(?P<port>\*|\d{1,5})"
)
_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")


def split_pattern(pattern: str) -> tuple[str, str, int | None]:
    """``HOST:PORT`` as protocol, host (without brackets; ``*`` for any) and port (None for any).

    The host is a name (``example.org``, ``*.example.org``), an address, a network in CIDR notation
    (``10.0.0.0/8``, ``[fd00::/8]``) or ``*``. ``udp://`` in front of it means UDP; without, or with
    ``tcp://``, it is TCP. Raises ValueError.
    """
    match = _PATTERN.fullmatch(pattern) if isinstance(pattern, str) else None
    if match is None:
        raise ValueError(
            f"{pattern!r} is not of the form HOST:PORT, like example.org:443 or [::1]:80"
        )
    host, port = match["host"], match["port"]
    if port != "*" and int(port) > 65535:
        raise ValueError(f"{pattern!r}: there is no port {port}; the last one is 65535")
    if host.startswith("["):
        host = host[1:-1]
        numeric = True
    else:
        numeric = "/" in host or bool(re.fullmatch(r"[\d.]+", host))
    if numeric:
        try:
            ipaddress.ip_network(host, strict=False)
        except ValueError:
            raise ValueError(f"{pattern!r}: {host!r} is no address or network") from None
    elif host != "*" and not _NAME.fullmatch(host):
        raise ValueError(f"{pattern!r}: {host!r} is no host name")
    return match["protocol"] or "tcp", host, None if port == "*" else int(port)


@dataclass(frozen=True, slots=True)
class Network:
    """What a plugin may reach. A private loopback inside the machine always works.

    ``connect``: where it may connect to on the host's network, as ``HOST:PORT`` patterns:
    ``example.org:443``, ``*.example.org:*``, ``10.0.0.0/8:5432``, ``[::1]:80``, ``*:*``, with
    ``udp://`` in front for datagrams. ``*`` and names open the public Internet only: addresses of
    private networks, and the host's own loopback, are granted as addresses.
    ``listen``: which addresses of the host it may listen on: ``127.0.0.1:8080``; port 0 takes any
    free one, which ``machine.listening`` tells. ``handler`` is called, in a thread, with a
    ``Connection`` (or ``Datagrams``, for UDP) for each connection that is neither granted to the
    host nor served by the plugin itself, so that Python can play the server; returning False
    refuses it. ``resolve``: addresses of names, beside those granted by ``connect``, which the
    host resolves.
    """

    connect: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    handler: Handler | None = None
    resolve: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("connect", "listen"):
            given = getattr(self, name)
            # One string is a sequence of strings, too.
            patterns = (given,) if isinstance(given, str) else tuple(given)
            object.__setattr__(self, name, patterns)
            for pattern in patterns:
                try:
                    _, host, _ = split_pattern(pattern)
                    if name == "listen" and not _is_address(host):
                        raise ValueError(f"{pattern!r}: {host!r} is no address to listen on")
                except ValueError as error:
                    raise ValueError(f"Network({name}=...): {error}") from None
        if self.handler is not None and not callable(self.handler):
            raise ValueError(f"Network(handler={self.handler!r}): must be a function")
        object.__setattr__(self, "resolve", dict(self.resolve))
        for host, given in self.resolve.items():
            for address in (given,) if isinstance(given, str) else given:
                try:
                    ipaddress.ip_address(address)
                except ValueError:
                    raise ValueError(
                        f"Network(resolve=...): {address!r} for {host!r} is no address"
                    ) from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
