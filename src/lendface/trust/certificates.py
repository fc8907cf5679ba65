"""With what results are signed: an operator's own certificate, or one of this machine.

The certificate of this machine is made when it is first needed: a root whose key is thrown away
at once, and one certificate below it (C2PA refuses a certificate that signs itself). It shows that
a file is as this machine left it, and nobody else knows it; an own certificate from an authority
shows more.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import BadCredentialsError

FOLDER = "c2pa"  # in the data folder
ROOT, CHAIN, KEY = "root.pem", "chain.pem", "key.pem"
NAME = "lendface development"
LEAF_YEARS, ROOT_YEARS = 10, 20
ALGORITHM_BY_CURVE = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain and its key, both PEM."""

    chain_pem: str  # the signer's own certificate first
    key_pem: str = field(repr=False)  # PKCS #8, not encrypted
    algorithm: str  # by C2PA's names: es256, es384, es512, ps256, ed25519
    notes: tuple[str, ...] = ()  # warnings for whoever signs with it


def find_credentials(
    cert: str, key: str, folder: Path, now: datetime, *, must_last: bool = False
) -> Credentials:
    """An operator's own where their files are named, else this machine's.

    ``must_last``: where several processes sign, one that is forgotten at once will not do.
    Raises BadCredentialsError.
    """
    if not cert and not key:
        return kept_credentials(folder, now) if must_last else machine_credentials(folder, now)
    if not cert or not key:
        raise BadCredentialsError("LENDFACE_C2PA_CERT and LENDFACE_C2PA_KEY go together")
    return read_credentials(Path(cert), Path(key))


def read_anchor(path: Path) -> str:
    """Certificates in PEM that vouch for signers. Raises BadCredentialsError."""
    try:
        data = path.expanduser().read_bytes()
        x509.load_pem_x509_certificates(data)
    except (OSError, ValueError):
        raise BadCredentialsError(f"{path.name} is no file of certificates in PEM") from None
    return data.decode()


def read_credentials(cert: Path, key: Path) -> Credentials:
    """An operator's own: the certificate, then those above it up to the root, which may be
    missing; and its key without a password. Raises BadCredentialsError.
    """
    chain_pem, key_pem = _read(cert, "LENDFACE_C2PA_CERT"), _read(key, "LENDFACE_C2PA_KEY")
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem)[0]
    except ValueError:
        raise BadCredentialsError("LENDFACE_C2PA_CERT must be certificates in PEM") from None
    try:
        private = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError):
        raise BadCredentialsError(
            "LENDFACE_C2PA_KEY must be a private key in PEM without a password"
        ) from None
    if private.public_key() != leaf.public_key():
        raise BadCredentialsError("LENDFACE_C2PA_KEY is not the key of LENDFACE_C2PA_CERT")
    return Credentials(chain_pem.decode(), _key_text(private), _algorithm(private))


def machine_credentials(folder: Path, now: datetime) -> Credentials:
    """Those of this machine, made in ``folder`` at first use; only its owner may read the key.

    Where the folder cannot be written they are made for this process alone.
    """
    try:
        return _kept(folder / FOLDER, now)
    except OSError:
        _, chain, key = make_chain(now)
        note = (
            "the data folder cannot be used, so the result is signed with a certificate that is "
            "forgotten at once; set LENDFACE_DATA to a folder that can be written"
        )
        return Credentials(chain, key, "es256", (note,))


def kept_credentials(folder: Path, now: datetime) -> Credentials:
    """As ``machine_credentials``, and never others. Raises BadCredentialsError."""
    try:
        return _kept(folder / FOLDER, now)
    except OSError:
        raise BadCredentialsError(
            f"the certificate of this machine can be neither read nor made: give {FOLDER}/ in the "
            "folder of LENDFACE_DATA to this user, or set LENDFACE_C2PA_CERT and LENDFACE_C2PA_KEY"
        ) from None


def keep_chain(place: Path, now: datetime) -> None:
    """Make a chain in ``place``, a folder that is not there yet: root, chain and key, PEM.

    For several machines that are to sign with one. Raises BadCredentialsError.
    """
    if place.exists():
        raise BadCredentialsError(f"{place.name} is there already; name a new folder")
    try:
        _keep(place, now)
    except OSError:
        raise BadCredentialsError(f"{place.name} cannot be written") from None


def check_dates(chain_pem: str, now: datetime) -> timedelta:
    """How long the signer's own certificate is good yet.

    Raises BadCredentialsError where it is not good at this time.
    """
    leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
    if now < leaf.not_valid_before_utc:
        raise BadCredentialsError(
            f"the certificate that signs results is not good before {leaf.not_valid_before_utc:%F}"
        )
    if now >= leaf.not_valid_after_utc:
        raise BadCredentialsError(
            f"the certificate that signs results has expired on {leaf.not_valid_after_utc:%F}"
        )
    return leaf.not_valid_after_utc - now


def find_machine_root(folder: Path) -> str | None:
    """The root of this machine's certificate, PEM; None where nothing was signed here yet."""
    return _find_text(folder / FOLDER / ROOT)


def find_machine_chain(folder: Path) -> str | None:
    """This machine's certificate and its root, PEM; None where nothing was signed here yet."""
    return _find_text(folder / FOLDER / CHAIN)


def make_chain(now: datetime) -> tuple[str, str, str]:
    """A new root, the chain of a certificate below it, and that one's key; PEM."""
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("root", root_key.public_key(), root_key, now, is_root=True)
    leaf = _certificate("signer", leaf_key.public_key(), root_key, now, is_root=False)
    return root, leaf + root, _key_text(leaf_key)


def _certificate(
    name: str,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
    *,
    is_root: bool,
) -> str:
    """By the certificate profile of C2PA 2: version 3, who may sign what, e-mail protection."""
    uses = {"key_cert_sign", "crl_sign"} if is_root else {"digital_signature"}
    begin = now.astimezone(UTC) - timedelta(days=1)  # clocks differ
    end = begin + timedelta(days=365 * (ROOT_YEARS if is_root else LEAF_YEARS))
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("root"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), critical=True)
        .add_extension(x509.KeyUsage(**{use: use in uses for use in KEY_USES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(PEM).decode()


def _name(common: str) -> x509.Name:
    """Says neither whose machine it is nor which."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NAME),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{NAME} {common}"),
        ]
    )


def _kept(place: Path, now: datetime) -> Credentials:
    """Raises OSError."""
    if not place.is_dir():
        _keep(place, now)
    return Credentials((place / CHAIN).read_text(), (place / KEY).read_text(), "es256")


def _keep(place: Path, now: datetime) -> None:
    """The whole folder appears at once; the first of several processes wins."""
    root, chain, key = make_chain(now)
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    fresh.mkdir(parents=True, mode=0o700)
    try:
        for name, text in ((ROOT, root), (CHAIN, chain), (KEY, key)):
            file = os.open(fresh / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(text)
        try:
            os.rename(fresh, place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _find_text(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text()
    return None


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError:
        raise BadCredentialsError(f"the file of {variable} cannot be read") from None


def _key_text(private: PrivateKeyTypes) -> str:
    return private.private_bytes(PEM, PKCS8, serialization.NoEncryption()).decode()


def _algorithm(private: PrivateKeyTypes) -> str:
    match private:
        case ec.EllipticCurvePrivateKey() if private.curve.name in ALGORITHM_BY_CURVE:
            return ALGORITHM_BY_CURVE[private.curve.name]
        case rsa.RSAPrivateKey():
            return "ps256"
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
    raise BadCredentialsError(
        "LENDFACE_C2PA_KEY must be an EC key on P-256, P-384 or P-521, an RSA key or Ed25519"
    )
