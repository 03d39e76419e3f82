"""RequestError: why a request is not answered."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        sentence: what is wrong, and what to do.
        retry_after: seconds after which it is worth trying again; None where it is not.

    >>> RequestError(429, "the queue is full", retry_after=3).headers
    {'Retry-After': '3'}
    """

    def __init__(self, status: int, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers tell of it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
