"""The certificate of this machine, and an operator's own."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lendface.errors import BadCredentialsError
from lendface.trust.certificates import (
    KEY_USES,
    find_credentials,
    find_machine_root,
    machine_credentials,
    read_anchor,
)
from lendface.trust.claims import Claim
from lendface.trust.provenance import Provenance
from lendface.trust.verify import verify
from people import write_photo
from trust.conftest import NOW, SMOOTH

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


# Of this machine


def test_it_is_made_once_and_its_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert find_machine_root(tmp_path) is None
    first = machine_credentials(tmp_path / "data", NOW)
    assert machine_credentials(tmp_path / "data", NOW) == first
    place = tmp_path / "data" / "c2pa"
    assert sorted(p.name for p in place.iterdir()) == ["chain.pem", "key.pem", "root.pem"]
    assert stat.S_IMODE((place / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert first.key_pem not in repr(first)


def test_processes_that_need_it_at_the_same_time_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: machine_credentials(tmp_path, NOW), range(8)))
    assert len({credentials.chain_pem for credentials in made}) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c2pa"]


def test_the_key_of_its_root_is_kept_nowhere(tmp_path: Path) -> None:
    machine_credentials(tmp_path, NOW)
    keys = [p for p in (tmp_path / "c2pa").iterdir() if b"PRIVATE" in p.read_bytes()]
    assert [p.name for p in keys] == ["key.pem"]
    root = x509.load_pem_x509_certificate((tmp_path / "c2pa" / "root.pem").read_bytes())
    private: Any = serialization.load_pem_private_key(keys[0].read_bytes(), None)
    assert private.public_key() != root.public_key()


def test_it_is_good_for_years(tmp_path: Path) -> None:
    leaf, root = x509.load_pem_x509_certificates(
        machine_credentials(tmp_path, NOW).chain_pem.encode()
    )
    for certificate in (leaf, root):
        assert certificate.not_valid_before_utc < NOW
        assert certificate.not_valid_after_utc > NOW + timedelta(days=9 * 365)
    leaf.verify_directly_issued_by(root)


def test_a_server_takes_none_that_it_cannot_keep(tmp_path: Path) -> None:
    (tmp_path / "c2pa").write_bytes(b"where a folder should be")
    with pytest.raises(BadCredentialsError, match="neither read nor made"):
        find_credentials("", "", tmp_path, NOW, must_last=True)
    assert find_credentials("", "", tmp_path, NOW).notes


def test_where_it_cannot_be_kept_it_is_made_for_once_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    made = machine_credentials(file, NOW)
    assert ["LENDFACE_DATA" in note for note in made.notes] == [True]
    assert made.chain_pem.count("BEGIN CERTIFICATE") == 2


# Of an operator


def write_pair(folder: Path, private: Any, *, encryption: Any = OPEN) -> tuple[str, str]:
    """A certificate of an authority's own and its key, as an operator would have them."""
    authority = ec.generate_private_key(ec.SECP384R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Authority")])
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Studio"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Example Studio"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(77)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(
            x509.KeyUsage(**{use: use == "digital_signature" for use in KEY_USES}), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(authority, hashes.SHA384())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(PEM))
    (folder / "key.pem").write_bytes(private.private_bytes(PEM, PKCS8, encryption))
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "es256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "es512"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
    ],
    ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"],
)
def test_an_own_certificate_signs(make: Any, algorithm: str, claim: Claim, tmp_path: Path) -> None:
    own = find_credentials(*write_pair(tmp_path, make()), tmp_path / "data", NOW)
    assert own.algorithm == algorithm
    path = write_photo(tmp_path / "out.jpg", SMOOTH)
    assert Provenance(own).sign(path, claim) == []
    verdict = verify(path)
    assert (verdict.state, verdict.signer) == ("valid", "Example Studio")
    assert not (tmp_path / "data").exists()


def test_half_of_an_own_certificate_is_refused(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    for given in ((cert, ""), ("", key)):
        with pytest.raises(BadCredentialsError, match="go together"):
            find_credentials(*given, tmp_path, NOW)


def test_an_own_certificate_that_cannot_be_used_is_told_by_its_setting(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = write_pair(other, ec.generate_private_key(ec.SECP256R1()))
    for given, told in (
        ((str(tmp_path / "gone"), key), "file of LENDFACE_C2PA_CERT cannot be read"),
        ((cert, str(tmp_path / "gone")), "file of LENDFACE_C2PA_KEY cannot be read"),
        ((key, key), "LENDFACE_C2PA_CERT must be certificates"),
        ((cert, cert), "LENDFACE_C2PA_KEY must be a private key"),
        ((cert, other_key), "is not the key of"),
    ):
        with pytest.raises(BadCredentialsError, match=told) as caught:
            find_credentials(*given, tmp_path, NOW)
        assert str(tmp_path) not in str(caught.value)


def test_a_key_with_a_password_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    locked = serialization.BestAvailableEncryption(b"secret")
    pair = write_pair(tmp_path, ec.generate_private_key(ec.SECP256R1()), encryption=locked)
    with pytest.raises(BadCredentialsError, match="without a password"):
        find_credentials(*pair, tmp_path, NOW)
    pair = write_pair(tmp_path, dsa.generate_private_key(2048))
    with pytest.raises(BadCredentialsError, match="P-256"):
        find_credentials(*pair, tmp_path, NOW)


def test_an_anchor_is_certificates_in_a_file(tmp_path: Path) -> None:
    machine_credentials(tmp_path, NOW)
    assert read_anchor(tmp_path / "c2pa" / "root.pem") == find_machine_root(tmp_path)
    for path in (tmp_path / "gone.pem", tmp_path / "c2pa" / "key.pem"):
        with pytest.raises(BadCredentialsError, match="no file of certificates"):
            read_anchor(path)
