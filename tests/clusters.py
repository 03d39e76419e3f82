"""A real Ray and a real S3 server on this machine, which the environment names as users' environments do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


@contextmanager
def s3_bucket() -> Iterator[str]:
    """A bucket on an S3 server of its own; yields its URL."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("corpus")
        yield "s3://corpus"
    server.stop()


@contextmanager
def ray_here() -> Iterator[str]:
    """A Ray of three processors to which this process is connected; yields the address by which others find it."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # where other tests run too, processes that step back for everyone would be waited for
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(str(TESTS / name) for name in (".", "../src")))
        ray.init("local", num_cpus=3, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
        address = ray.get_runtime_context().gcs_address
        patch.setenv("RAY_ADDRESS", address)
        yield address
        ray.shutdown()
