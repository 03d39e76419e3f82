"""Graph: an ONNX file that runs."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from emovoz.errors import InputError


class Graph:
    """An ONNX file, run on the CPU by onnxruntime.

    Args:
        file: the graph.

    Raises:
        InputError: onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("an exported model needs onnxruntime: pip install 'emovoz[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _processors()
        # its warnings are for those who make graphs
        options.log_severity_level = 3
        self.file = file
        try:
            self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise InputError(f"{file}: onnxruntime cannot load it ({error}); export the model again") from error

    def __call__(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """Its outputs, in order."""
        try:
            outputs: list[Any] = self.session.run(None, inputs)
        except Exception as error:
            raise InputError(f"{self.file}: onnxruntime cannot run it ({error}); export the model again") from error
        return outputs


def _processors() -> int:
    """Processors that this process may use, one thread each: as many as OMP_NUM_THREADS says, else all."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
