"""A recogniser as a service: HTTP API and web page (the extra `serve`)."""

from emovoz.serve.app import make_app
from emovoz.serve.refusal import RequestError
from emovoz.serve.service import Service, Upload
from emovoz.serve.settings import ServeSettings

__all__ = ["RequestError", "ServeSettings", "Service", "Upload", "make_app"]
