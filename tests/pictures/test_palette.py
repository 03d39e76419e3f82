import itertools

import numpy as np
import pytest

from emovoz.pictures.palette import LOOKS, Look, colours

# Machado, Oliveira & Fernandes 2009, severity 1: linear RGB as people see it who lack a kind of cone
SIGHT = {
    "all cones": np.eye(3),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no blue cones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Ottosson 2020, Oklab
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OPPONENTS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(colour: str, sight: np.ndarray) -> np.ndarray:
    return 100 * OPPONENTS @ np.cbrt(CONES @ np.clip(sight @ linear(colour), 0, 1))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("sight", SIGHT)
def test_emotions_stay_apart_whatever_cones_the_reader_has(look: Look, sight: str) -> None:
    places = [seen(colour, SIGHT[sight]) for colour in look.known.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)) > 6.5


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_label_has_its_colour_in_every_model(look: Look) -> None:
    one, other = colours(["anger", "joy"], look), colours(["joy", "calm", "bored"], look)
    assert one["joy"] == other["joy"]
    assert len(set(other.values())) == 3
