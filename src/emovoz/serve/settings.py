"""ServeSettings: the limits of a service."""

import math
from dataclasses import dataclass, fields
from typing import Any

from emovoz.errors import InputError

USUAL_RATE = 48_000
"""Hz. Audio of a higher rate may be shorter in proportion."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What a service accepts, and how long it takes over it.

    Attributes:
        max_seconds: of audio in a request.
        max_mb: megabytes of a request's body.
        max_clips: in a batch request.
        max_characters: of a text.
        max_waiting: clips that wait to be judged, and requests that are being received, at most.
        timeout: seconds that a request may wait for its answer, once it is received.
        upload_timeout: seconds in which a request's body must have arrived.
        decode_timeout: seconds that decoding a clip may take.
        batch_clips, batch_seconds: what is judged together of what waits: so many clips, and so much audio.
        hosts: names under which it may be asked, beside `localhost` and addresses in figures.
        api_key: without it, everything but `/healthz` is refused; None asks for none.

    >>> ServeSettings(max_seconds=0)
    Traceback (most recent call last):
    emovoz.errors.InputError: max_seconds: 0 is not above 0
    """

    max_seconds: float = 300.0
    max_mb: float = 50.0
    max_clips: int = 32
    max_characters: int = 10_000
    max_waiting: int = 64
    timeout: float = 120.0
    upload_timeout: float = 60.0
    decode_timeout: float = 20.0
    batch_clips: int = 32
    batch_seconds: float = 60.0
    hosts: tuple[str, ...] = ()
    api_key: str | None = None

    def __post_init__(self) -> None:
        numbers = {field.name: getattr(self, field.name) for field in fields(self)}
        wrong = {
            name: value
            for name, value in numbers.items()
            if isinstance(value, int | float) and not (value > 0 and math.isfinite(value))
        }
        if wrong:
            raise InputError(f"{name}: {value} is not above 0" for name, value in wrong.items())

    @property
    def max_bytes(self) -> int:
        """Of a request's body."""
        return int(self.max_mb * 1e6)

    @property
    def max_frames(self) -> int:
        """Samples of one channel in a request."""
        return int(self.max_seconds * USUAL_RATE)

    def limits(self) -> dict[str, Any]:
        """Those that a client has to know."""
        return {
            name: getattr(self, name)
            for name in ("max_seconds", "max_mb", "max_clips", "max_characters", "timeout", "upload_timeout")
        }
