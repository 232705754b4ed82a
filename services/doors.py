"""How this system's processes come to the workflow engine: as its settings say, with its keys."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from temporalio.client import Client
from temporalio.service import TLSConfig

from engine.client import Door, connect_engine
from engine.orders import Secret, Secrets
from settings import Settings


def door_of(settings: Settings) -> Door:
    """The way to the engine. Raises OSError: a certificate that cannot be read."""
    return Door(
        commands=_secrets(settings, "commands"),
        payloads=_secrets(settings, "payloads") if settings.temporal_payloads == "hidden" else None,
        tls=tls_of(settings),
        api_key=settings.temporal_api_key.get_secret_value() or None,
    )


async def engine_of(settings: Settings) -> Client:
    """A client of the engine that the settings name."""
    return await connect_engine(
        settings.temporal_address, settings.temporal_namespace, door_of(settings)
    )


def tls_of(settings: Settings) -> bool | TLSConfig:
    """The certificates that the connection to the engine is made with; False for none."""
    ca, certificate, key = (
        _read(path)
        for path in (
            settings.temporal_ca,
            settings.temporal_certificate,
            settings.temporal_private_key,
        )
    )
    if ca is None and certificate is None:
        # a key for the API goes nowhere in the open
        return bool(settings.temporal_api_key.get_secret_value())
    return TLSConfig(server_root_ca_cert=ca, client_cert=certificate, client_private_key=key)


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None


def _secrets(settings: Settings, purpose: str) -> Secrets:
    made = HKDF(SHA256(), 32, salt=None, info=f"zhibao|{purpose}".encode())
    value = made.derive(settings.token_key.get_secret_value().encode())
    only = [Secret("derived", value, datetime.min.replace(tzinfo=UTC))]
    return lambda: only
