"""The HTTP API: it says what `emovoz predict` says, to one or to many at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from emovoz import Clip, Recognizer, __version__
from served import counted, line_of


def path_of(clip: Clip) -> Path:
    assert isinstance(clip.audio, Path)
    return clip.audio


def parts(clips: Sequence[Clip]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("audio", (path_of(clip).name, path_of(clip).read_bytes())) for clip in clips]


def asked(client: httpx.Client, clip: Clip, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/predict", files=parts([clip]), data=fields)
    assert answer.status_code == 200, answer.text
    line: dict[str, Any] = answer.json()
    return line


def test_a_form_gets_the_line_of_predict(client: httpx.Client, recognizer: Recognizer, clips: list[Clip]) -> None:
    expected = {**line_of(recognizer, path_of(clips[0]), text="¡Qué alegría!"), "id": path_of(clips[0]).name}
    assert asked(client, clips[0], text="¡Qué alegría!") == expected
    assert expected["modalities"] == ["speech", "text"]


@pytest.mark.parametrize("kind", ["audio/ogg", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_a_bare_body_gets_it_too(client: httpx.Client, recognizer: Recognizer, clips: list[Clip], kind: str) -> None:
    content, headers = path_of(clips[0]).read_bytes(), {"content-type": kind}
    answer = client.post("/v1/predict", params={"text": "hola"}, content=content, headers=headers)
    assert answer.json() == {**line_of(recognizer, path_of(clips[0]), text="hola"), "id": "audio"}


def test_a_text_alone_is_judged_as_one(client: httpx.Client, recognizer: Recognizer) -> None:
    answer = client.post("/v1/predict", files={"text": (None, "¡Qué asco!")})
    assert answer.json() == line_of(recognizer, Clip("text", transcription="¡Qué asco!"))
    assert answer.json()["modalities"] == ["text"]


def test_a_batch_is_answered_in_order_and_each_fault_where_it_is(client: httpx.Client, clips: list[Clip]) -> None:
    files = [*parts(clips[:2]), ("audio", ("notes.wav", b"no audio at all")), *parts(clips[2:3])]
    answer = client.post("/v1/predict/batch", files=files)
    assert answer.status_code == 200
    lines = answer.json()["predictions"]
    assert [line["id"] for line in lines] == [part[1][0] for part in files]
    assert lines[2] == {"id": "notes.wav", "error": "not readable as audio (Format not recognised)"}
    assert [lines[i] for i in (0, 1, 3)] == [asked(client, clip) for clip in clips[:3]]


def test_a_batch_with_a_text_for_each(client: httpx.Client, clips: list[Clip]) -> None:
    texts: list[tuple[str, Any]] = [("text", (None, "hola")), ("text", (None, ""))]
    files = [*parts(clips[:2]), *texts]
    lines = client.post("/v1/predict/batch", files=files).json()["predictions"]
    assert [line["transcription"] for line in lines] == ["hola", None]


def test_many_at_once_are_judged_together_and_each_as_if_alone(client: httpx.Client, clips: list[Clip]) -> None:
    many = clips[:16]
    texts = [clip.transcription or "" if i % 2 else "" for i, clip in enumerate(many)]
    alone = [asked(client, clip, text=text) for clip, text in zip(many, texts, strict=True)]
    before = counted(client, "emovoz_batch_clips_count")
    with ThreadPoolExecutor(16) as people:
        together = list(people.map(lambda one: asked(client, one[0], text=one[1]), zip(many, texts, strict=True)))
    # the same to the bit
    assert together == alone
    assert counted(client, "emovoz_batch_clips_count") - before < 16


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"", 400, "no audio"),
        (b"not audio", 422, "not readable as audio"),
        (b"RIFF\x24\x00\x00\x00WAVE", 422, "not readable as audio"),
    ],
)
def test_what_is_no_audio_is_told_in_a_sentence(
    client: httpx.Client, content: bytes, status: int, sentence: str
) -> None:
    answer = client.post("/v1/predict", content=content)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize(
    ("files", "status", "sentence"),
    [
        ({"file": ("a.wav", b"x")}, 400, "no such field: 'file'; there are audio, text"),
        ({"audio": (None, "x")}, 400, "needs a filename"),
        ({"text": ("a.txt", b"x"), "audio": ("a.wav", b"x")}, 400, "not a file"),
        ({"text": (None, "")}, 400, "no audio"),
        ({"audio": ("a.wav", b"x"), "timeline": (None, "perhaps")}, 400, "'perhaps' is neither true nor false"),
        ([("audio", ("a.wav", b"x")), ("audio", ("b.wav", b"x"))], 413, "too many clips: at most 1"),
        ([("audio", ("a.wav", b"x")), ("text", (None, "x")), ("text", (None, "y"))], 413, "too many clips"),
    ],
)
def test_a_form_that_cannot_be_meant(client: httpx.Client, files: Any, status: int, sentence: str) -> None:
    answer = client.post("/v1/predict", files=files)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


def test_the_model_is_described(client: httpx.Client, recognizer: Recognizer) -> None:
    told = client.get("/v1/model").json()
    assert (told["name"], told["labels"]) == ("model", list(recognizer.labels))
    assert told["encoders"]["speech"]["model"] == "whisper-base"
    assert told["trained_on"]["clips"] == 120
    assert told["limits"]["max_seconds"] == 300
    assert "estimates" in told["note"]
    assert told["emovoz"] == __version__


def test_the_reference_is_a_page_that_asks_nothing_of_others(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for route in client.get("/openapi.json").json()["paths"]:
        assert route in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_openapi_tells_of_the_forms(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    form = paths["/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {"audio", "text", "timeline", "transcribe"}
    assert set(paths) == {"/v1/predict", "/v1/predict/batch", "/v1/model", "/healthz", "/metrics"}


def test_metrics_count_requests_by_route_and_never_by_what_people_make_up(client: httpx.Client) -> None:
    before = counted(client, "emovoz_requests_total", route="/v1/model", status="200")
    client.get("/v1/model")
    client.get("/v1/made-up-by-somebody")
    assert counted(client, "emovoz_requests_total", route="/v1/model", status="200") == before + 1
    assert "made-up" not in client.get("/metrics").text


def test_it_is_well(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "waiting": 0}


def test_a_timeline_has_a_label_for_each_utterance(
    client: httpx.Client, recognizer: Recognizer, clips: list[Clip]
) -> None:
    line = asked(client, clips[0], timeline="true")
    expected = recognizer.predict_timeline(path_of(clips[0])).to_dict()
    assert line == {**expected, "id": path_of(clips[0]).name}
    assert line["segments"]
    answer = client.post("/v1/predict", files=parts(clips[:1]), data={"timeline": "true", "text": "hola"})
    assert (answer.status_code, "takes no text" in answer.json()["error"]) == (400, True)


def test_words_are_recognised_where_that_is_asked_for(client: httpx.Client, clips: list[Clip]) -> None:
    (clip,) = (clip for clip in clips if clip.id == "voice07_fear_1.ogg")
    line = asked(client, clip, transcribe="true")
    assert "no puedo respirar" in line["transcription"]
    assert line["modalities"] == ["speech", "text"]
    assert line["scores"] == asked(client, clip, text=line["transcription"])["scores"]
    given = asked(client, clip, transcribe="true", text="otra cosa")
    assert given["transcription"] == "otra cosa"
    segments = asked(client, clip, timeline="true", transcribe="true")["segments"]
    assert any(segment["transcription"] for segment in segments)
