"""Long recordings in pieces, so that memory holds one piece of an hour and not the hour."""

from dataclasses import dataclass

from emovoz.corpus import Clip, seconds_of
from emovoz.encoders import SpeechEncoder
from emovoz.features.keys import audio_key, text_key

PIECE_SECONDS = 50.0


@dataclass(frozen=True)
class Piece:
    """What is encoded at once: a whole clip, or a part of a long recording.

    Attributes:
        clip: whose piece it is.
        key: content key.
        size: how much of the clip it holds, seconds or characters.
        start, end: of the audio that is read, seconds in its file; None for where the file begins or ends.
        first, last: the frames of what is read that are the piece's own; those around them give them their context.
        is_part: whether it is a part of a long recording and not a whole clip.
    """

    clip: Clip
    key: str
    size: float
    start: float | None = None
    end: float | None = None
    first: int = 0
    last: int | None = None
    is_part: bool = False


def text_pieces(clip: Clip) -> list[Piece]:
    """The words of a clip, always one piece."""
    words = clip.transcription or ""
    return [Piece(clip, text_key(words), len(words))]


def speech_pieces(clip: Clip, encoder: SpeechEncoder, stride: int = 1) -> list[Piece]:
    """The audio of a clip: one piece, or pieces of 50 to 100 s where it is longer.

    A piece is a whole number of the encoder's windows and is read with the overlap that joins it to the next. So the
    pieces one after the other are, frame by frame, what the encoder gives for the recording at once. They meet at
    multiples of the stride, so that every mean is one of `stride` frames.

    Raises:
        ClipError: the file cannot be read.
    """
    assert clip.audio is not None
    seconds = seconds_of(clip.audio, start=clip.start, end=clip.end)
    key = audio_key(clip)
    hop = encoder.window_frames - encoder.overlap_frames
    frames = hop * max(1, round(PIECE_SECONDS * encoder.frame_rate / hop))
    length = frames / encoder.frame_rate
    count = max(1, int(seconds / length))
    if count == 1:
        return [Piece(clip, key, seconds, clip.start, clip.end)]
    begin, head = clip.start or 0.0, encoder.overlap_frames // 2
    borders = [0, *((k * frames + head) // stride * stride for k in range(1, count))]
    pieces = []
    for k in range(count):
        ends = k == count - 1
        pieces.append(
            Piece(
                clip,
                f"{key}-{k}of{count}x{frames}",
                seconds - k * length if ends else length,
                start=begin + k * length,
                end=clip.end if ends else begin + (k + 1) * length + encoder.overlap_frames / encoder.frame_rate,
                first=borders[k] - k * frames,
                last=None if ends else borders[k + 1] - k * frames,
                is_part=True,
            )
        )
    return pieces
