"""What training over a store takes of memory does not grow with the store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from emovoz import FeatureStore

ENCODER = "a" * 32

TRAIN = """
import sys
from emovoz import FeatureStore
from emovoz.features.batch import ClipSequence, StoredClipFeatures
from emovoz.model import EmotionHead, EmotionHeadConfig
from emovoz.settings import Model, Training
from emovoz.training import Examples, fit

class Stored(ClipSequence):
    def __init__(self, found):
        self.found = found
    def __len__(self):
        return len(self.found)
    def fetch(self, i):
        return StoredClipFeatures({"speech": self.found[i]})

clips = int(sys.argv[2])
keys = [str(i) for i in range(clips)]
features = Stored(FeatureStore(sys.argv[1]).find("a" * 32, keys, [0, 1]))
head = EmotionHead(EmotionHeadConfig.of(Model(layer_norm=True), {"speech": (2, 256)}, ["anger", "joy"]))
examples = Examples(features, [i % 2 for i in range(clips)], keys)
fit(head, examples, None, Training(method="gradient", epochs=1, batch_size=8, keep="last", schedule="none"))
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def peak(store: Path, clips: int) -> float:
    """The most that is resident while training, mapped files included, MB."""
    with FeatureStore(store).writing(ENCODER, shard_bytes=8_000_000) as writer:
        for i in range(clips):
            # 2 MB each
            writer.add(str(i), {layer: torch.full((2000, 256), i / clips).half() for layer in (0, 1)})
    command = [sys.executable, "-c", TRAIN, str(store), str(clips)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1e3


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for the peak")
def test_a_store_four_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    small, large = peak(tmp_path / "small", 40), peak(tmp_path / "large", 160)
    # 240 MB of features more
    assert large - small < 120
