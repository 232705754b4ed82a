"""One frozen settings object, read from the environment once, at the edge."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from domain.case.commands import Role
from domain.contacts import MAIL
from domain.signing_keys import KeyPurpose
from rules.file.library import SHIPPED
from store.keyring import Keyring


class SettingMissing(Exception):
    """A setting that a command cannot do without is absent; the text says which and how."""


class Settings(BaseModel):
    """What every part needs to know of where it runs.

    ``database_url`` is SQLAlchemy's form with psycopg. ``keys`` is the folder of the keys for
    tokens, codes, links, webhooks (`store.keyring`); without one they are derived from
    ``token_key``. No token lasts longer than ``token_days``.
    ``requests_per_person`` and ``requests_per_authority`` bound what people who are signed in ask.
    ``temporal_ca``, ``temporal_certificate`` and ``temporal_private_key`` are the PEM files that
    the engine is reached with by TLS, ``temporal_api_key`` the key that it asks for; what passes
    through it is hidden, unless ``temporal_payloads`` is ``plain``. ``temporal_pages``: the
    embedded one shows its own pages; ``temporal_site``: the address that browsers find the
    engine's own pages at, to which the pages of cases then lead engineers.
    The limits of the public lookup are written as in ``60/minute; 1000/hour``; only the proxies
    named (addresses or networks, with commas between) may say for whom they ask. ``hosts`` are the
    names this system answers to, with commas between; any, unless they are set.
    ``certificate_keys`` is the folder of the keys that sign certificates' QR codes
    (`services.certificates.keys`), ``site`` the address those codes lead to: ``https://host``.
    ``templates`` is the folder of certificates' templates, the shipped ones unless set.
    ``mail_server`` is ``host:port`` of the SMTP server, ``mail_sender`` the address notices come
    from; without a server no mail is sent. ``webhook_hosts`` are hosts in private networks, with
    commas between, to which notices may be pushed.
    ``audit_keys`` is the folder of the keys that sign checkpoints, ``checkpoints`` the one that
    they are copied to, out of the database's reach.
    ``sign_ins`` is how often one network address, and one account, may try to sign in; left alone
    for ``sign_in_idle_minutes`` a sign-in ends; ``second_factor`` are the roles, commas between,
    whose holders sign in with a code like operators and administrators, ``all`` for everybody;
    ``demo`` shows the demonstration's accounts with their passwords on its sign-in page.
    ``receipt_keys`` is the folder of the keys that sign the receipts of submissions.
    ``oidc_issuer`` is the provider by which people sign in as well (OpenID Connect), with the
    ``oidc_client`` and ``oidc_secret`` it gave this system, the ``oidc_name`` people know it by,
    and what it writes into ``amr`` or ``acr`` where it asked for a second factor, ``oidc_second``.
    ``scanner`` is the command that looks attachments through, none unless set.
    ``metrics`` is the address (``host:port``) a worker shows its metrics at, none unless set.
    """

    model_config = ConfigDict(frozen=True)

    database_url: SecretStr
    temporal_address: str
    temporal_namespace: str = "zhibao"
    temporal_ca: Path | None = None
    temporal_certificate: Path | None = None
    temporal_private_key: Path | None = None
    temporal_api_key: SecretStr = SecretStr("")
    temporal_payloads: Literal["hidden", "plain"] = "hidden"
    temporal_pages: bool = False
    temporal_site: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    token_key: SecretStr = SecretStr("")
    keys: Path | None = None
    token_days: int = Field(default=90, ge=1, le=366)
    rules: Path = SHIPPED
    host: str = "127.0.0.1"
    port: int = 8600
    log_format: str = "text"
    metrics: str = ""
    lookups_per_client: str = "60/minute"
    lookups_per_prefix: str = "600/minute"
    complaints_per_client: str = "20/hour"
    deliveries_per_client: str = "600/minute"
    tokens_per_client: str = "60/minute"
    requests_per_person: str = "3000/minute"
    requests_per_authority: str = "30000/minute"
    trusted_proxies: str = ""
    hosts: str = ""
    certificate_keys: Path | None = None
    site: str = ""
    templates: Path | None = None
    mail_server: str = Field(default="", pattern=r"^([A-Za-z0-9.-]+:[0-9]{1,5})?$")
    mail_sender: str = Field(default="", pattern=MAIL)
    mail_security: Literal["tls", "starttls", "none"] = "starttls"
    mail_user: str = ""
    mail_password: SecretStr = SecretStr("")
    webhook_hosts: str = ""
    audit_keys: Path | None = None
    checkpoints: Path | None = None
    sign_ins: str = "20/10 minute"
    sign_in_idle_minutes: int = Field(default=120, ge=5, le=600)
    second_factor: str = ""
    demo: bool = False
    receipt_keys: Path | None = None
    scanner: str = ""
    oidc_issuer: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    oidc_client: str = ""
    oidc_secret: SecretStr = SecretStr("")
    oidc_name: str = "统一身份认证"
    oidc_second: str = "mfa"

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that this process has."""
        return Keyring(self.keys, self.token_key.get_secret_value())

    @property
    def longest_token(self) -> timedelta:
        """For how long a token may hold at most."""
        return timedelta(days=self.token_days)

    @property
    def engine_pages(self) -> str:
        """Where the engine's own pages list the workflows, "" where nobody shows them."""
        site = self.temporal_site.rstrip("/")
        return f"{site}/namespaces/{self.temporal_namespace}/workflows" if site else ""

    @property
    def public_site(self) -> str:
        """The address that QR codes lead to; without a setting, where this process listens."""
        return self.site.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def second_factors(self) -> frozenset[Role]:
        """Whose holders sign in with a code, beside operators and administrators."""
        if self.second_factor == "all":
            return frozenset(Role)
        return frozenset(Role(one.strip()) for one in self.second_factor.split(",") if one.strip())

    @field_validator("second_factor")
    @classmethod
    def _are_roles(cls, value: str) -> str:
        known = {role.value for role in Role}
        if value != "all" and (unknown := {one.strip() for one in value.split(",")} - known - {""}):
            raise ValueError(f"no roles: {', '.join(sorted(unknown))}")
        return value

    @field_validator(
        "lookups_per_client",
        "lookups_per_prefix",
        "complaints_per_client",
        "deliveries_per_client",
        "tokens_per_client",
        "requests_per_person",
        "requests_per_authority",
        "sign_ins",
    )
    @classmethod
    def _are_limits(cls, value: str) -> str:
        parse_many(value)
        return value

    @model_validator(mode="after")
    def _keys_known(self) -> Self:
        if self.keys is None and len(self.token_key.get_secret_value()) < 32:
            raise ValueError("neither a folder of keys nor a secret of at least 32 characters")
        return self

    @model_validator(mode="after")
    def _client_known(self) -> Self:
        if self.oidc_issuer and not self.oidc_client:
            raise ValueError("a provider needs the client it knows this system by")
        here = ("127.0.0.1", "localhost", "::1")
        if self.oidc_issuer.startswith("http:") and urlsplit(self.oidc_issuer).hostname not in here:
            raise ValueError("a provider elsewhere needs https")
        return self

    @model_validator(mode="after")
    def _sender_known(self) -> Self:
        if self.mail_server and not self.mail_sender:
            raise ValueError("a mail server needs a sender")
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(None, (part.strip() for part in value.split(","))):
            ip_network(one)
        return value


ENVIRONMENT = {
    "database_url": "DATABASE_URL",
    "temporal_address": "TEMPORAL_ADDRESS",
    "temporal_namespace": "TEMPORAL_NAMESPACE",
    "temporal_ca": "TEMPORAL_TLS_CA",
    "temporal_certificate": "TEMPORAL_TLS_CERTIFICATE",
    "temporal_private_key": "TEMPORAL_TLS_KEY",
    "temporal_api_key": "TEMPORAL_API_KEY",
    "temporal_payloads": "ZHIBAO_TEMPORAL_PAYLOADS",
    "temporal_pages": "ZHIBAO_TEMPORAL_PAGES",
    "temporal_site": "ZHIBAO_TEMPORAL_SITE",
    "token_key": "ZHIBAO_TOKEN_KEY",
    "keys": "ZHIBAO_KEYS",
    "token_days": "ZHIBAO_TOKEN_DAYS",
    "rules": "ZHIBAO_RULES",
    "host": "ZHIBAO_HOST",
    "port": "ZHIBAO_PORT",
    "log_format": "ZHIBAO_LOG_FORMAT",
    "metrics": "ZHIBAO_METRICS",
    "lookups_per_client": "ZHIBAO_LOOKUPS_PER_CLIENT",
    "lookups_per_prefix": "ZHIBAO_LOOKUPS_PER_PREFIX",
    "complaints_per_client": "ZHIBAO_COMPLAINTS_PER_CLIENT",
    "deliveries_per_client": "ZHIBAO_DELIVERIES_PER_CLIENT",
    "tokens_per_client": "ZHIBAO_TOKENS_PER_CLIENT",
    "requests_per_person": "ZHIBAO_REQUESTS_PER_PERSON",
    "requests_per_authority": "ZHIBAO_REQUESTS_PER_AUTHORITY",
    "trusted_proxies": "ZHIBAO_TRUSTED_PROXIES",
    "hosts": "ZHIBAO_HOSTS",
    "certificate_keys": "ZHIBAO_CERTIFICATE_KEYS",
    "site": "ZHIBAO_SITE",
    "templates": "ZHIBAO_TEMPLATES",
    "mail_server": "ZHIBAO_MAIL_SERVER",
    "mail_sender": "ZHIBAO_MAIL_SENDER",
    "mail_security": "ZHIBAO_MAIL_SECURITY",
    "mail_user": "ZHIBAO_MAIL_USER",
    "mail_password": "ZHIBAO_MAIL_PASSWORD",
    "webhook_hosts": "ZHIBAO_WEBHOOK_HOSTS",
    "audit_keys": "ZHIBAO_AUDIT_KEYS",
    "checkpoints": "ZHIBAO_CHECKPOINTS",
    "sign_ins": "ZHIBAO_SIGN_INS",
    "sign_in_idle_minutes": "ZHIBAO_SIGN_IN_IDLE_MINUTES",
    "second_factor": "ZHIBAO_SECOND_FACTOR",
    "demo": "ZHIBAO_DEMO",
    "receipt_keys": "ZHIBAO_RECEIPT_KEYS",
    "scanner": "ZHIBAO_SCANNER",
    "oidc_issuer": "ZHIBAO_OIDC_ISSUER",
    "oidc_client": "ZHIBAO_OIDC_CLIENT",
    "oidc_secret": "ZHIBAO_OIDC_SECRET",
    "oidc_name": "ZHIBAO_OIDC_NAME",
    "oidc_second": "ZHIBAO_OIDC_SECOND",
}


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises SettingMissing with a sentence for the operator."""
    given = {
        field: environment[name] for field, name in ENVIRONMENT.items() if environment.get(name)
    }
    missing = [
        ENVIRONMENT[field] for field in ("database_url", "temporal_address") if field not in given
    ]
    if not {"keys", "token_key"} & given.keys():
        missing.append(f"{ENVIRONMENT['keys']}（或 {ENVIRONMENT['token_key']}）")
    if missing:
        raise SettingMissing(
            f"缺少环境变量 {'、'.join(missing)}。单机运行请用 zhibao up；"
            "针对正在运行的单机系统，请用 --data 指明其数据目录。"
        )
    if "keys" not in given and len(given["token_key"]) < 32:
        raise SettingMissing("ZHIBAO_TOKEN_KEY 至少 32 个字符。")
    try:
        return Settings.model_validate(given)
    except ValidationError as failure:
        wrong = [error["loc"][0] for error in failure.errors() if error["loc"]]
        if not wrong:
            raise SettingMissing(
                "设了 ZHIBAO_MAIL_SERVER，还要设 ZHIBAO_MAIL_SENDER；"
                "设了 ZHIBAO_OIDC_ISSUER，还要设 ZHIBAO_OIDC_CLIENT，不在本机的须是 https。"
            ) from None
        names = "、".join(ENVIRONMENT[str(one)] for one in wrong)
        raise SettingMissing(f"环境变量 {names} 的值不对。") from None


MIGRATION = "ZHIBAO_MIGRATION_DATABASE_URL"
"""How `zhibao migrate` reaches the database: nothing that serves reads it."""


def to_migrate(data: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The database's address for whoever changes its structure. Raises SettingMissing."""
    given = {**environment_of(data), **environment}
    if not given.get(MIGRATION) and not given.get("DATABASE_URL"):
        raise SettingMissing(
            f"缺少环境变量 {MIGRATION}：zhibao_migrator 连接数据库所用的地址。"
            "针对正在运行的单机系统，请用 --data 指明其数据目录。"
        )
    return given.get(MIGRATION) or given["DATABASE_URL"]


RUNTIME = "runtime.json"
"""Where a system on a data folder leaves word of how to reach it."""


def environment_of(data: Path) -> dict[str, str]:
    """The environment that a command needs to reach the system on a data folder, {} if unknown."""
    try:
        found = json.loads((data / RUNTIME).read_text())["environment"]
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


def of_system(data: Path) -> Settings:
    """The settings from the environment, completed from a data folder. Raises SettingMissing."""
    return from_environment({**environment_of(data), **os.environ})


def key_folders(settings: Settings) -> dict[KeyPurpose, Path]:
    """The folders of keys that a system signs with, by their purpose."""
    folders = {
        KeyPurpose.CERTIFICATES: settings.certificate_keys,
        KeyPurpose.CHECKPOINTS: settings.audit_keys,
        KeyPurpose.RECEIPTS: settings.receipt_keys,
    }
    return {purpose: folder for purpose, folder in folders.items() if folder is not None}


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as the environment of a child process."""
    values = {
        "database_url": settings.database_url.get_secret_value(),
        "token_key": settings.token_key.get_secret_value(),
        "keys": str(settings.keys or ""),
        "token_days": str(settings.token_days),
        "temporal_address": settings.temporal_address,
        "temporal_namespace": settings.temporal_namespace,
        "temporal_ca": str(settings.temporal_ca or ""),
        "temporal_certificate": str(settings.temporal_certificate or ""),
        "temporal_private_key": str(settings.temporal_private_key or ""),
        "temporal_api_key": settings.temporal_api_key.get_secret_value(),
        "temporal_payloads": settings.temporal_payloads,
        "temporal_pages": "1" if settings.temporal_pages else "",
        "temporal_site": settings.temporal_site,
        "rules": str(settings.rules),
        "host": settings.host,
        "port": str(settings.port),
        "log_format": settings.log_format,
        "metrics": settings.metrics,
        "lookups_per_client": settings.lookups_per_client,
        "lookups_per_prefix": settings.lookups_per_prefix,
        "complaints_per_client": settings.complaints_per_client,
        "deliveries_per_client": settings.deliveries_per_client,
        "tokens_per_client": settings.tokens_per_client,
        "requests_per_person": settings.requests_per_person,
        "requests_per_authority": settings.requests_per_authority,
        "trusted_proxies": settings.trusted_proxies,
        "hosts": settings.hosts,
        "certificate_keys": str(settings.certificate_keys or ""),
        "site": settings.site,
        "templates": str(settings.templates or ""),
        "mail_server": settings.mail_server,
        "mail_sender": settings.mail_sender,
        "mail_security": settings.mail_security,
        "mail_user": settings.mail_user,
        "mail_password": settings.mail_password.get_secret_value(),
        "webhook_hosts": settings.webhook_hosts,
        "audit_keys": str(settings.audit_keys or ""),
        "checkpoints": str(settings.checkpoints or ""),
        "sign_ins": settings.sign_ins,
        "sign_in_idle_minutes": str(settings.sign_in_idle_minutes),
        "second_factor": settings.second_factor,
        "demo": "1" if settings.demo else "",
        "receipt_keys": str(settings.receipt_keys or ""),
        "scanner": settings.scanner,
        "oidc_issuer": settings.oidc_issuer,
        "oidc_client": settings.oidc_client,
        "oidc_secret": settings.oidc_secret.get_secret_value(),
        "oidc_name": settings.oidc_name,
        "oidc_second": settings.oidc_second,
    }
    return {ENVIRONMENT[field]: value for field, value in values.items()}
