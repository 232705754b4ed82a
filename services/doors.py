"""How this system's processes come to the workflow engine: as its settings say, with its keys."""

from datetime import UTC, datetime
from pathlib import Path

from temporalio.client import Client
from temporalio.service import TLSConfig

from engine.client import Door, connect_engine
from engine.orders import Secret, Secrets
from settings import Settings
from store.keyring import Keyring, Purpose


def door_of(settings: Settings) -> Door:
    """The way to the engine. Raises OSError: a certificate that cannot be read."""
    keyring = settings.keyring
    hidden = settings.temporal_payloads == "hidden"
    return Door(
        commands=_secrets(keyring, Purpose.COMMANDS),
        payloads=_secrets(keyring, Purpose.PAYLOADS) if hidden else None,
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


def _secrets(keyring: Keyring, purpose: Purpose) -> Secrets:
    """The keys for a purpose that hold now, that in use first."""

    def held() -> list[Secret]:
        now = datetime.now(UTC)
        used = keyring.current(purpose, now)
        others = [key for key in keyring.valid(purpose, now) if key.id != used.id and key.secret]
        return [Secret(key.id, key.value) for key in (used, *others)]

    return held
