"""The settings: one frozen object, read from options and the environment. Nothing else reads the environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AliasChoices, ByteSize, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine, and nothing beyond it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def variable(name: str) -> SecretStr | None:
    """A key, in an environment variable of the person's choice; None where there is none."""
    value = os.environ.get(name)
    return SecretStr(value) if value else None


class Settings(BaseSettings):
    """How this kernelci runs. Each field `x_y` is the option `--x-y` and the variable `KERNELCI_X_Y`."""

    model_config = SettingsConfigDict(
        env_prefix="KERNELCI_", frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback needs a key.")
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("kernelci"),
        description="Folder for threads, files and notebooks.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("kernelci"),
        description="Folder for the environments of the model's code.",
    )
    api_key: SecretStr | None = Field(
        None, min_length=1, description="Key that clients must send; see also: kernelci keys."
    )
    allowed_hosts: str = Field("", description="Names by which a proxy or network knows this server, with commas.")
    model_url: str | None = Field(None, description="Base URL of a Chat Completions endpoint, ending in /v1.")
    model_key: SecretStr | None = Field(None, description="Key for that endpoint.")
    model: str | None = Field(None, description="Model to ask there, whatever model an assistant names.")
    models: Path | None = Field(None, description="TOML file that says which upstream serves which name.")
    cloud_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("cloud_key", "OPENAI_API_KEY"),
        description="Key used only when --model or --model-url asks for the cloud.",
    )
    strict: bool = Field(False, description="Refuse what the hosted service refused, slips of its own pages too.")
    when_busy: Literal["refuse", "queue"] = Field(
        "refuse", description="A message or run for a thread whose run goes on: refuse it, or queue it."
    )
    approval: Literal["off", "code"] = Field(
        "off", description="What waits for a person's yes, an edit or a no: off (nothing), or code."
    )
    execution_timeout: float = Field(120.0, gt=0, description="Seconds that one cell may run.")
    interrupt_grace: float = Field(5.0, gt=0, description="Seconds from an interrupt to the kill.")
    run_timeout: float = Field(600.0, gt=0, description="Seconds from a run's creation to its expiry.")
    max_turns: int = Field(30, ge=1, description="Model replies in one run.")
    max_run_tokens: int | None = Field(None, ge=1, description="Tokens of one run, read and written; no limit.")
    max_run_cost: float | None = Field(None, gt=0, description="US dollars for one run, where prices are known.")
    max_thread_turns: int | None = Field(None, ge=1, description="Model replies in all runs of a thread.")
    max_thread_tokens: int | None = Field(None, ge=1, description="Tokens of all runs of a thread.")
    max_thread_seconds: float | None = Field(None, gt=0, description="Seconds in which runs of a thread go on.")
    max_thread_cost: float | None = Field(None, gt=0, description="US dollars for all runs of a thread.")
    same_failures: int = Field(
        4, ge=1, description="Times that the code of a run may fail in the same way; then the assistant says so."
    )
    charts: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether the model is shown the figures of its code: if it takes pictures, always, or never.",
    )
    shown_output: int = Field(
        6000, ge=1000, description="Characters of a cell's output that the model is shown; it can read on."
    )
    max_output: ByteSize = Field(
        ByteSize(MEBIBYTE), ge=16 * 1024, le=16 * MEBIBYTE, description="Output of a cell that is kept: 1MiB."
    )
    max_upload: int = Field(512 * MEBIBYTE, ge=1, description="Bytes in one uploaded file.")
    kernel: str = Field("kernelci", description="Kernelspec whose environment the model's code has.")
    max_upload_in_parts: int = Field(8192 * MEBIBYTE, ge=1, description="Bytes in one file that comes in parts.")
    max_busy: int = Field(
        default_factory=lambda: 2 * (os.cpu_count() or 1),
        ge=1,
        description="Cells that run at once; others wait for their turn. Two a processor.",
    )
    max_kernels: int = Field(200, ge=1, description="Kernels alive at once.")
    memory: ByteSize = Field(ByteSize(2048 * MEBIBYTE), ge=256 * MEBIBYTE, description="Memory of a session: 2GiB.")
    cpus: float | None = Field(
        None, gt=0, description="Processors' worth of time a session may use; all by default."
    )
    processes: int = Field(128, ge=16, description="Processes and threads of one kernel.")
    disk: ByteSize = Field(ByteSize(5120 * MEBIBYTE), ge=MEBIBYTE, description="Disk of one session's files: 5GiB.")
    sandbox: Literal["auto", "namespaces", "landlock", "off"] = Field(
        "auto",
        description="How kernels are confined: auto (as strongly as it works here), namespaces, landlock, or off.",
    )
    session_idle: Annotated[float, Field(gt=0)] | Literal["never"] = Field(
        3600.0, description="Seconds until an idle kernel is ended, or never."
    )

    log_format: Literal["text", "json"] = Field("text", description="How log lines are written: text or json.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged: error, warning, info, or debug, which logs messages and code, too."
    )
    otel: bool = Field(False, description="Send OpenTelemetry spans and metrics where its OTEL_ variables say.")

    @field_validator("api_key")
    @classmethod
    def _fits_in_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else ""
        if not text.isprintable() or " " in text:
            raise ValueError("A key has no spaces, line breaks or other characters that cannot be seen")
        return key

    @property
    def shared(self) -> bool:
        """Whether others than this machine's own programs may reach the server: by its address, or by a proxy."""
        return bool(self.own_names) or not self.on_loopback

    @property
    def own_names(self) -> frozenset[str]:
        """The names in `allowed_hosts`, in lower case."""
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",")) - {""}

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)
