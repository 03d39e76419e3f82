"""A recogniser as a service: HTTP API and web page (the extra `serve`)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emovoz.serve.app import make_app
    from emovoz.serve.refusal import RequestError
    from emovoz.serve.service import Service, Upload
    from emovoz.serve.settings import ServeSettings

_HOMES = {
    "RequestError": "refusal",
    "ServeSettings": "settings",
    "Service": "service",
    "Upload": "service",
    "make_app": "app",
}

__all__ = ["RequestError", "ServeSettings", "Service", "Upload", "make_app"]


def __getattr__(name: str) -> Any:
    # a port that is taken is told before torch is loaded
    if name in _HOMES:
        return getattr(import_module(f"emovoz.serve.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'emovoz.serve' has no attribute {name!r}")
