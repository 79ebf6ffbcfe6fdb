"""/etc: what Go's standard library and a C library look up there."""

from __future__ import annotations

import struct

from ..net.names import RESOLV_CONF

_USER = "user"

# RFC 8536: version 2, one type (no offset, no daylight saving time), its name, and the rule.
_TZ_BODY = struct.pack(">ibB", 0, 0, 0) + b"UTC\0"
_TZ_BLOCK = struct.pack(">4sc15x6I", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + _TZ_BODY
UTC = _TZ_BLOCK + _TZ_BLOCK + b"\nUTC0\n"


def contents() -> dict[str, bytes]:
    """Contents by path."""
    texts = {
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
        f"{_USER}:x:1000:1000:{_USER}:/home/{_USER}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        "/etc/group": f"root:x:0:\n{_USER}:x:1000:\nnogroup:x:65534:\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/hostname": "emuplugin\n",
        "/etc/resolv.conf": RESOLV_CONF,
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/protocols": "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n",
        "/etc/services": "ftp 21/tcp\nssh 22/tcp\nsmtp 25/tcp\ndomain 53/tcp\ndomain 53/udp\n"
        "http 80/tcp\npop3 110/tcp\nntp 123/udp\nimap2 143/tcp imap\nhttps 443/tcp\n"
        "https 443/udp\nimaps 993/tcp\npop3s 995/tcp\n",
    }
    return {path: text.encode() for path, text in texts.items()} | {"/etc/localtime": UTC}
