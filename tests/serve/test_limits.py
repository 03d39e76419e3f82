"""What a service refuses, each time with a sentence and never with a failure of its own."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from emovoz import Clip, Recognizer
from emovoz.serve import Service
from emovoz.serve.batching import Job
from served import PATIENCE, counted, serving, until
from sounds import tone


def sound(seconds: float = 0.5, rate: int = 16000, channels: int = 1, form: str = "FLAC") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.stack([tone(rate, seconds)] * channels, 1), rate, format=form, subtype="PCM_16")
    return content.getvalue()


def predict(client: httpx.Client, content: Any = None, **more: Any) -> httpx.Response:
    return client.post("/v1/predict", content=sound() if content is None else content, **more)


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


@contextmanager
def busy(service: Service) -> Iterator[None]:
    """Meanwhile the one who judges is at work on something else."""
    begun, go_on = threading.Event(), threading.Event()

    def work(clip: Clip) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    service.queue.put([Job(Clip("else", transcription="x"), work)])
    assert begun.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()


def test_a_full_queue_says_when_to_try_again_and_answers_those_in_it(recognizer: Recognizer) -> None:
    with serving(recognizer, max_waiting=2) as (client, service), ThreadPoolExecutor(2) as people:
        with busy(service):
            accepted = [people.submit(predict, client) for _ in range(2)]
            until(lambda: service.queue.waiting == 2)
            refused = predict(client)
        assert [one.result().status_code for one in accepted] == [200, 200]
        assert told(refused) == (429, "too many are asking at once; try again")
        assert int(refused.headers["retry-after"]) >= 1
        assert predict(client).status_code == 200


def test_who_has_left_the_queue_takes_no_place_in_it(recognizer: Recognizer) -> None:
    with serving(recognizer, max_waiting=2) as (client, service), ThreadPoolExecutor(2) as people:
        with busy(service):
            request = head(client, len(sound())) + sound()
            with connected(client) as one, connected(client) as other:
                one.sendall(request)
                other.sendall(request)
                until(lambda: service.queue.waiting == 2)
            until(lambda: counted(client, "emovoz_requests_total", route="/v1/predict", status="499") == 2)
            assert service.queue.waiting == 0
            accepted = [people.submit(predict, client) for _ in range(2)]
            until(
                lambda: service.queue.waiting == 2 and all(not job.answer.cancelled() for job in service.queue._waiting)
            )
        assert [one.result().status_code for one in accepted] == [200, 200]


def test_an_answer_that_takes_too_long_is_given_up_and_not_worked_on(recognizer: Recognizer) -> None:
    with serving(recognizer, timeout=0.2) as (client, service):
        with busy(service):
            status, sentence = told(predict(client))
        assert (status, "no answer within 0.2 s" in sentence) == (504, True)
        until(lambda: service.idle)
        assert service.metrics.registry.get_sample_value("emovoz_batch_clips_count") == 1


def test_what_a_client_no_longer_waits_for_is_not_worked_on(recognizer: Recognizer) -> None:
    with serving(recognizer) as (client, service):
        with busy(service):
            request = head(client, len(sound())) + sound()
            with connected(client) as connection:
                connection.sendall(request)
                until(lambda: service.queue.waiting == 1)
            until(lambda: counted(client, "emovoz_requests_total", route="/v1/predict", status="499") == 1)
        until(lambda: service.idle)
        assert service.metrics.registry.get_sample_value("emovoz_batch_clips_count") == 1


def test_a_body_that_comes_too_slowly(recognizer: Recognizer) -> None:
    with serving(recognizer, upload_timeout=0.3) as (client, service), connected(client) as connection:
        connection.sendall(head(client, 1000) + b"RIFF")
        answer = b"".join(iter(lambda: connection.recv(10_000), b"")).decode()
        assert answer.startswith("HTTP/1.1 408")
        assert "did not arrive within 0.3 s" in answer
        until(lambda: service.idle)


def test_a_body_that_stops_half_way(recognizer: Recognizer) -> None:
    with serving(recognizer) as (client, service):
        with connected(client) as connection:
            connection.sendall(head(client, 1000) + b"RIFF")
            until(lambda: not service.idle)
        until(lambda: service.idle)
        assert predict(client).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(recognizer: Recognizer, announced: bool) -> None:
    content = bytes(1_200_000)
    # without a length, it comes in chunks
    body = content if announced else (content[at : at + 10_000] for at in range(0, len(content), 10_000))
    with serving(recognizer, max_mb=1) as (client, _):
        assert told(predict(client, body)) == (413, "too large: a request may have 1 MB")
        assert predict(client).status_code == 200


def test_a_compressed_body_is_not_taken(recognizer: Recognizer) -> None:
    with serving(recognizer) as (client, _):
        status, sentence = told(predict(client, headers={"content-encoding": "gzip"}))
    assert (status, "compressed" in sentence) == (415, True)


def test_too_much_audio(recognizer: Recognizer) -> None:
    with serving(recognizer, max_seconds=2) as (client, _):
        assert told(predict(client, sound(2.5))) == (
            413,
            "too long: 2.5 s of audio, at most 2 s in a request; cut it",
        )
        assert told(predict(client, sound(1.5, rate=96000)))[0] == 413
        batch = [("audio", ("a.flac", sound(0.8)))] * 3
        status, sentence = told(client.post("/v1/predict/batch", files=batch))
        assert (status, "2.4 s of audio, at most 2 s" in sentence) == (413, True)
        assert predict(client, sound(1.9)).status_code == 200


def test_hours_of_silence_in_a_small_file_are_refused_unheard(recognizer: Recognizer) -> None:
    content = silence_of(8)
    assert len(content) < 1_000_000
    with serving(recognizer) as (client, _):
        started = time.perf_counter()
        assert told(predict(client, content))[0] == 413
        assert time.perf_counter() - started < 5


def silence_of(hours: int) -> bytes:
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", 4000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(hours * 60):
            file.write(np.zeros(60 * 4000, np.int16))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (sound(16000, rate=1, form="WAV"), "1 Hz: too low a rate"),
        (sound(0.05, rate=10_000_000, form="WAV"), "one channel at 10000000 Hz: more than can be used"),
        (sound(0.1, rate=48000, channels=200, form="WAV"), "200 channels at 48000 Hz: more than can be used"),
    ],
    ids=["1 Hz", "10 MHz", "200 channels"],
)
def test_a_rate_that_cannot_be_meant(recognizer: Recognizer, content: bytes, sentence: str) -> None:
    with serving(recognizer) as (client, _):
        status, answer = told(predict(client, content))
    assert (status, sentence in answer) == (422, True), answer


def test_decoding_that_takes_too_long(recognizer: Recognizer) -> None:
    with serving(recognizer, decode_timeout=1e-9) as (client, _):
        assert told(predict(client)) == (413, "decoding takes longer than 1e-09 s; convert it to wav or flac")


def test_a_text_that_is_too_long(recognizer: Recognizer) -> None:
    with serving(recognizer, max_characters=10) as (client, _):
        assert told(predict(client, params={"text": "x" * 11}))[0] == 413
        assert client.post("/v1/predict", files={"text": (None, "ñ" * 10)}).status_code == 200
        assert told(client.post("/v1/predict", files={"text": (None, "x" * 11)}))[0] == 413


def test_more_clips_than_a_batch_may_have(recognizer: Recognizer) -> None:
    with serving(recognizer, max_clips=2) as (client, _):
        for count in (3, 9):
            files = [("audio", (f"{i}.flac", sound())) for i in range(count)]
            assert client.post("/v1/predict/batch", files=files).status_code in (400, 413)


def test_nothing_of_an_upload_stays(recognizer: Recognizer) -> None:
    with serving(recognizer) as (client, service):
        predict(client)
        predict(client, b"no audio")
        folder: Path = service.scratch.folder
        assert [path.name for path in folder.iterdir()] == ["in-use"]
    assert not folder.exists()


def connected(client: httpx.Client) -> socket.socket:
    connection = socket.create_connection((client.base_url.host, client.base_url.port), PATIENCE)
    connection.settimeout(PATIENCE)
    return connection


def head(client: httpx.Client, length: int) -> bytes:
    where = f"Host: {client.base_url.host}:{client.base_url.port}"
    return f"POST /v1/predict HTTP/1.1\r\n{where}\r\nContent-Length: {length}\r\n\r\n".encode()
