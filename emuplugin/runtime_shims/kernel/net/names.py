"""Host names: the resolver of the private network, which answers from the grants (RFC 1035).

It listens at 127.0.0.53, port 53, for UDP and TCP. ``localhost``, the names of
``Network(resolve=...)`` and granted names have addresses; the latter are asked of the host's own
resolver, in a thread. With a handler every other name has one, too, which stands for it.
"""

from __future__ import annotations

import ipaddress
import socket as host
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .addresses import IP, Inet
from .firewall import MOST_NAMES, canonical
from .queue import Message, Queue

if TYPE_CHECKING:
    from dns.message import Message as DnsMessage

    from .network import NetworkStack
    from .tcp import TcpSocket

RESOLVER = Inet(ipaddress.ip_address("127.0.0.53"), 53)
_TTL = 60
# Names that the host is asked for at once, and requests for one of them.
_ASKED = 64
_LOCALHOST = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]

Answer = Callable[[list[IP] | None], None]


#: ``/etc/resolv.conf`` of the guest. Go sends its requests to the first nameserver.
RESOLV_CONF = "nameserver 127.0.0.53\noptions edns0\n"


class Names:
    """Finds addresses of names."""

    def __init__(self, network: NetworkStack) -> None:
        self._network = network
        self.pool = network.pool
        self._known: dict[str, list[IP] | None] = {}
        self._asked: dict[str, list[Answer]] = {}
        self._found: deque[tuple[str, list[IP] | None]] = deque()

    def look_up(self, name: str, answer: Answer) -> None:
        """Call ``answer`` with the addresses of a name, None if there is no such name: at once, or
        when the host has found them."""
        network, firewall = self._network, self._network.firewall
        if name == "localhost" or name.endswith(".localhost"):
            answer(list(_LOCALHOST))
        elif name in firewall.given:
            network.record("name", name, "given")
            answer(firewall.found(name, firewall.given[name]))
        elif firewall.may_resolve(name):
            self._ask_host(name, answer)
        elif firewall.handler is not None and (address := firewall.stand_in(name)) is not None:
            network.record("name", name, "handler")
            answer([address])
        else:
            network.record("name", name, "refused")
            answer(None)

    def _ask_host(self, name: str, answer: Answer) -> None:
        if name in self._known:
            answer(self._known[name])
            return
        if len(self._asked) >= _ASKED and name not in self._asked:
            self._network.record("name", name, "refused: too many at once")
            answer(None)
            return
        waiting = self._asked.setdefault(name, [])
        if len(waiting) >= _ASKED:
            return  # as a resolver that is busy: no reply
        waiting.append(answer)
        if len(waiting) > 1:
            return
        outside, found = self._network.outside, self._found
        outside.keep += 1

        def ask() -> None:
            addresses: list[IP] | None
            try:
                entries = host.getaddrinfo(name, None, type=host.SOCK_STREAM)
                texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries)
                addresses = [ipaddress.ip_address(text) for text in texts]
            except (OSError, UnicodeError, ValueError):
                addresses = None
            found.append((name, addresses))
            outside.wake()

        threading.Thread(target=ask, name=f"emuplugin-resolve-{name}", daemon=True).start()

    def check(self) -> None:
        """Pass on what the host has found."""
        while self._found:
            name, addresses = self._found.popleft()
            if name not in self._asked:
                continue  # asked before the machine went back to a snapshot
            self._network.outside.keep -= 1
            self._network.record("name", name, self._use(name, addresses))
            for answer in self._asked.pop(name):
                answer(self._known[name])
            if len(self._known) > MOST_NAMES:
                self._known.clear()

    def _use(self, name: str, addresses: list[IP] | None) -> str:
        """Remember addresses; what became of the name."""
        if addresses is None:
            self._known[name] = None
            return "granted: the host knows no such name"
        usable = self._network.firewall.found(name, addresses)
        self._known[name] = usable or None
        if usable:
            return "granted"
        private = ", ".join(map(str, addresses))
        return f"refused: {private} is private; grant the address itself, or give it by resolve="

    # --- the protocol -----------------------------------------------------------------------------

    def query(self, wire: bytes, reply: Callable[[bytes], None], size: int | None = None) -> None:
        """Answer a DNS request; ``size`` is what fits into a reply without EDNS. What is no
        request gets no reply."""
        # Imported here: a machine that resolves no name needs none of it.
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rcode

        try:
            request = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return
        if request.flags & dns.flags.QR or len(request.question) != 1:
            return
        question = request.question[0]
        response = dns.message.make_response(request, recursion_available=True)
        try:
            name = canonical(question.name.to_text())
        except (dns.exception.DNSException, ValueError):
            return

        def send() -> None:
            limit = None if size is None else max(size, request.payload or 0)
            reply(_rendered(response, limit))

        def answer(addresses: list[IP] | None) -> None:
            if addresses is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
            else:
                _fill_in(response, addresses)
            send()

        if request.opcode() != 0:
            response.set_rcode(dns.rcode.NOTIMP)
            send()
        elif name.endswith((".in-addr.arpa", ".ip6.arpa")):
            self._reverse(response)
            send()
        else:
            self.look_up(name, answer)

    def _reverse(self, response: DnsMessage) -> None:
        """The names that led to an address, to who asks for them."""
        import dns.exception
        import dns.rcode
        import dns.reversename
        import dns.rrset

        question = response.question[0]
        names: list[str] = []
        try:
            ip = ipaddress.ip_address(dns.reversename.to_address(question.name))
            names = ["localhost"] if ip in _LOCALHOST else self._network.firewall.names_of(ip)
        except (dns.exception.DNSException, ValueError):
            pass  # an address that is cut short has no name
        if names:
            response.answer.append(
                dns.rrset.from_text(question.name, _TTL, "IN", "PTR", *[n + "." for n in names])
            )
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)

    def serve(self, guest: TcpSocket) -> None:
        """Answer requests over a TCP connection."""
        _Service(self, guest)


def _fill_in(response: DnsMessage, addresses: list[IP]) -> None:
    import dns.rdatatype
    import dns.rrset

    question = response.question[0]
    version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(question.rdtype)
    wanted = [str(address) for address in addresses if address.version == version]
    if wanted:
        kind = dns.rdatatype.to_text(question.rdtype)
        response.answer.append(dns.rrset.from_text(question.name, _TTL, "IN", kind, *wanted))


def _rendered(response: DnsMessage, limit: int | None) -> bytes:
    """The bytes of a response; without its answers, and saying so, if it is too long."""
    import dns.flags

    wire: bytes = response.to_wire()
    if limit is not None and len(wire) > limit:
        response.answer.clear()
        response.flags |= dns.flags.TC
        wire = response.to_wire()
    return wire


class _Service:
    """The resolver's end of a TCP connection: requests and replies with their length in front."""

    def __init__(self, names: Names, guest: TcpSocket) -> None:
        self._names, self._buffer = names, b""
        self._inward = Queue(names.pool, writer=self, capacity=1 << 20)
        self._outward = Queue(names.pool, reader=self)
        guest.establish(self._inward, self._outward, RESOLVER)

    def arrived(self) -> None:
        while (message := self._outward.take(1 << 16)) is not None:
            self._buffer += message.data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                break
            wire, self._buffer = self._buffer[2:end], self._buffer[end:]
            self._names.query(wire, self._reply)
        if self._outward.ended:
            self._inward.end()

    def _reply(self, wire: bytes) -> None:
        if not self._inward.ended and not self._inward.deaf and self._inward.room > len(wire):
            self._inward.put(Message(len(wire).to_bytes(2, "big") + wire))

    def drained(self) -> None:
        """Replies are small: there was room."""

    def broken(self, error: int) -> None:
        self._inward.ended = True
