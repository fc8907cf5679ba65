"""An S3 server that a test may use, whichever it is."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import Any


class S3Server:
    """Where it listens, and the keys of its one user."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str) -> None:
        self.endpoint = endpoint
        self.keys = {"access_key": access_key, "secret_key": secret_key}
        self._numbers = count(1)

    def new_bucket(self) -> str:
        """The name of a fresh, empty bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def url(self, bucket: str, prefix: str = "pre/fix") -> str:
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}"

    @cached_property
    def client(self) -> Any:
        """botocore's own view of the server."""
        import botocore.session  # slow to import, and few tests need it
        from botocore.config import Config

        return botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.keys["access_key"],
            aws_secret_access_key=self.keys["secret_key"],
            config=Config(s3={"addressing_style": "path"}),
        )
