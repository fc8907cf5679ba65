"""Signing with the stamp of a time stamp authority, which the openssl command plays."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lendface.trust.certificates import KEY_USES, Credentials
from lendface.trust.claims import Claim
from lendface.trust.provenance import Provenance
from lendface.trust.verify import verify
from trust.conftest import NOW

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
CONFIG = """
[tsa]
dir = .
serial = serial
signer_cert = signer.pem
signer_key = signer.key
certs = root.pem
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
"""
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")


def write_authority(folder: Path) -> None:
    root_key, signer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("root", root_key, root_key)
    signer = certificate("signer", signer_key, root_key)
    (folder / "root.pem").write_bytes(root.public_bytes(PEM))
    (folder / "signer.pem").write_bytes(signer.public_bytes(PEM))
    key = signer_key.private_bytes(PEM, PKCS8, serialization.NoEncryption())
    (folder / "signer.key").write_bytes(key)
    (folder / "serial").write_text("01")
    (folder / "config").write_text(CONFIG)


def certificate(name: str, key: Any, signer: Any) -> x509.Certificate:
    is_root = key is signer
    uses = {"key_cert_sign", "crl_sign"} if is_root else {"digital_signature"}
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.KeyUsage(**{use: use in uses for use in KEY_USES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(signer, hashes.SHA256())


def named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Clock"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Example Clock {name}"),
        ]
    )


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Clock(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            words = "openssl ts -reply -config config -section tsa -queryfile query -out answer"
            subprocess.run(words.split(), cwd=folder, check=True, capture_output=True)
            answer = (folder / "answer").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Clock) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_stamp_tells_when_it_was_signed_and_whose_clock_that_was(
    originals: Path, credentials: Credentials, root: str, claim: Claim, tmp_path: Path
) -> None:
    write_authority(tmp_path)
    for ending in ("mp4", "jpg", "mkv"):
        path = Path(shutil.copy(originals / f"out.{ending}", tmp_path))
        with serving(tmp_path) as url:
            told = Provenance(credentials, url).sign(path, claim)
        assert len(told) == (ending == "mkv")  # that it lies beside, and nothing about the time
        verdict = verify(path, anchors=[root])
        assert (verdict.state, verdict.is_stamp_trusted) == ("trusted", False)
        assert any("nobody vouches for that clock" in line for line in verdict.explain())
        verdict = verify(path, anchors=[root, (tmp_path / "root.pem").read_text()])
        assert (verdict.state, verdict.is_stamp_trusted) == ("trusted", True)
        assert verdict.stamped_at is not None
        stamped = datetime.fromisoformat(verdict.stamped_at)
        assert abs(stamped - datetime.now(UTC)) < timedelta(minutes=10)
