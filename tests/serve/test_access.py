"""Who may ask a service."""

import base64
from collections.abc import Mapping

import pytest

from emovoz import Recognizer
from emovoz.serve import RequestError, ServeSettings
from emovoz.serve.access import check_access
from served import serving

KEY = "correct horse battery staple"


def refused(method: str, headers: Mapping[str, str], *, path: str = "/v1/predict", **settings: object) -> int | None:
    """The status with which it is refused, None where it is not."""
    try:
        check_access(method, path, headers, ServeSettings(**settings))  # type: ignore[arg-type]
    except RequestError as error:
        return error.status
    return None


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7", "emovoz.localhost"])
def test_by_address_or_localhost_anybody_may(host: str) -> None:
    assert refused("GET", {"host": host}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "[::1", "127.0.0.1.nip.io"]
)
def test_a_name_that_somebody_leads_here_is_refused(host: str) -> None:
    assert refused("GET", {"host": host}) == 421


def test_a_name_that_is_allowed_is_not() -> None:
    assert refused("GET", {"host": "voice.example.org"}, hosts=("voice.example.org",)) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"origin": "http://localhost:8000"}, None),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, None),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
def test_a_page_of_another_site_cannot_send_anything(headers: dict[str, str], status: int | None) -> None:
    assert refused("POST", {"host": "localhost:8000", **headers}) == status


def test_a_page_behind_a_proxy_that_gives_another_name_can() -> None:
    headers = {"host": "127.0.0.1:8000", "origin": "https://voice.example.org"}
    assert refused("POST", headers, hosts=("voice.example.org",)) is None


def basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'anybody:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {KEY}"}, None),
        ({"authorization": f"bearer {KEY}"}, None),
        ({"x-api-key": KEY}, None),
        ({"authorization": basic(KEY)}, None),
        ({"authorization": f"Bearer {KEY}x"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": basic("guess")}, 401),
        ({"authorization": "Basic =x="}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "ñ"}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/v1/predict", "/metrics", "/docs", "/"])
def test_with_a_key_nobody_may_without_it(headers: dict[str, str], status: int | None, path: str) -> None:
    assert refused("GET", {"host": "localhost", **headers}, path=path, api_key=KEY) == status


def test_whether_it_works_can_be_asked_without_a_key() -> None:
    assert refused("GET", {"host": "localhost"}, path="/healthz", api_key=KEY) is None


def test_refused_over_http_with_what_to_send(recognizer: Recognizer) -> None:
    with serving(recognizer, api_key=KEY) as (client, _):
        answer = client.get("/v1/model")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "X-API-Key" in answer.json()["error"]
        assert client.get("/docs").headers["www-authenticate"].startswith("Basic")
        assert client.get("/v1/model", headers={"x-api-key": KEY}).status_code == 200
        other = client.post("/v1/predict", headers={"origin": "https://evil.example", "x-api-key": KEY})
        assert (other.status_code, "access-control-allow-origin" in other.headers) == (403, False)
