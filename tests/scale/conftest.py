"""A real Ray and a real S3 server, both on this machine, started once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emovoz import Recipe
from exports import tiny


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket on an S3 server, which the environment names as users' environments do."""
    import boto3
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
        boto3.client("s3").create_bucket(Bucket="corpus")
        yield "s3://corpus"
    server.stop()


@pytest.fixture(scope="session")
def ray_address(bucket: str) -> Iterator[str]:
    """A Ray on this machine to which this process is connected, and others can be; it knows the S3 server."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2] / "src")]))
        ray.init("local", num_cpus=3, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest.fixture(scope="session")
def tiny_recipe(tiny_whisper: Path, tiny_bert: Path) -> Recipe:
    """Both modalities by tiny encoders."""
    return Recipe.load("default", tiny(tiny_whisper, tiny_bert))
