"""Where a service listens."""

import socket
from ipaddress import ip_address

from emovoz.errors import InputError


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: nothing can listen there.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen at {host}:{port} ({reason}); choose another with --host and --port") from error
    listening.setblocking(False)
    return listening


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach what listens there.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
