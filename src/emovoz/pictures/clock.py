"""Times as people read them."""


def clock(seconds: float) -> str:
    """A time as m:ss, or h:mm:ss from an hour on.

    >>> clock(7), clock(83.4), clock(3723)
    ('0:07', '1:23', '1:02:03')
    """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
