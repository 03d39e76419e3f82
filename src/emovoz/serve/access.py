"""Who may ask: by the name under which they ask, the page from which, and the key."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from emovoz.serve.refusal import RequestError
from emovoz.serve.settings import ServeSettings

OPEN = ("/healthz",)
"""Paths that need no key."""


def check_access(method: str, path: str, headers: Mapping[str, str], settings: ServeSettings) -> None:
    """Raise RequestError where a request may not be answered.

    Args:
        method: of HTTP.
        path: asked for.
        headers: by lower-case names.
        settings: names that are allowed, and the key.
    """
    host = headers.get("host", "")
    # a page elsewhere can have its own name lead to this machine, but not an address or localhost
    if not _known(_name(f"//{host}"), settings):
        raise RequestError(421, f"asked under the name {host[:100]!r}; start it with --allow-host for that name")
    if method not in ("GET", "HEAD", "OPTIONS"):
        _check_page(headers, host, settings)
    if settings.api_key is not None and path not in OPEN and not _has_key(headers, settings.api_key):
        raise RequestError(401, "this service wants its key, as Authorization: Bearer KEY or X-API-Key: KEY")


def _check_page(headers: Mapping[str, str], host: str, settings: ServeSettings) -> None:
    """Refuse what a browser sends for a page of another site; other programs name no page."""
    origin = headers.get("origin")
    other = origin is not None and origin.partition("://")[2] != host and _name(origin) not in settings.hosts
    if other or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise RequestError(403, "asked from a page of another site")


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _known(name: str, settings: ServeSettings) -> bool:
    if name == "localhost" or name.endswith(".localhost") or name in settings.hosts:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _has_key(headers: Mapping[str, str], key: str) -> bool:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    given = [headers.get("x-api-key", "")]
    if scheme.lower() == "bearer":
        given.append(credentials.strip())
    if scheme.lower() == "basic":
        # how a browser asks its user for one: any name, the key as password
        given.append(_password(credentials))
    return sum(hmac.compare_digest(one.encode(), key.encode()) for one in given) > 0


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
