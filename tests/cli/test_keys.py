"""`kernelci keys`, beside a server and without one."""

from __future__ import annotations

import re

import httpx2
import pytest
from pydantic import SecretStr

from kernelci.cli.options import settings_from
from kernelci.cli.state import with_store
from kernelci.errors import StartupError
from kernelci.models.catalog import Catalog
from kernelci.protocol.keys import fresh
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command

FORM = r"sk-kernelci-[A-Za-z0-9]{44}\n"


def added(kernelci: Command, name: str) -> str:
    """A new key."""
    done = kernelci.run("keys", "add", name)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(FORM, done.stdout)
    return done.stdout.strip()


def given(settings: Settings, name: str) -> str:
    """A new key, without the command."""
    text, key = fresh(name)
    with_store(settings, lambda store: store.keys.add(key))
    return text


def test_a_key_is_shown_once_and_kept_nowhere(kernelci: Command, settings: Settings) -> None:
    alice = added(kernelci, "alice")
    given(settings, "bob")
    listed = kernelci.run("keys", "list")
    rows = [re.split(r"\s{2,}", line.strip()) for line in listed.stdout.splitlines()]
    assert rows[0] == ["name", "key", "made", "last used"]
    assert [(row[0], row[3]) for row in rows[1:]] == [("alice", "never"), ("bob", "never")]
    assert rows[1][1] == alice[:16] + "…"
    for path in [each for each in settings.data_dir.rglob("*") if each.is_file()]:
        assert alice.encode()[17:] not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_keys_count_at_once_beside_a_running_server(kernelci: Command, settings: Settings) -> None:
    with (
        running(settings, Catalog(None)) as address,
        httpx2.Client(base_url=address, trust_env=False) as client,
    ):

        def status(key: str = "any") -> int:
            return client.get("/v1/assistants", headers={"authorization": f"Bearer {key}"}).status_code

        assert status() == 200
        alice = added(kernelci, "alice")
        assert (status(), status(alice)) == (401, 200)
        bob = given(settings, "bob")
        assert (status(), status(alice), status(bob)) == (401, 200, 200)
        assert "never" not in kernelci.run("keys", "list").stdout
        told = kernelci.run("keys", "revoke", "alice").stderr
        assert "the last" not in told
        assert (status(), status(alice), status(bob)) == (401, 401, 200)
        assert "the last" in kernelci.run("keys", "revoke", "bob").stderr
        assert (status(), status(alice)) == (200, 200)


def test_says_in_a_sentence_what_is_wrong(kernelci: Command, settings: Settings) -> None:
    given(settings, "alice")
    for arguments, sentence in (
        (
            ["add", "alice"],
            "There is a key named alice already. To put a new one in its place: kernelci keys revoke",
        ),
        (["add", "../alice"], "A key's name is 1 to 64 of A-Z, a-z, 0-9"),
        (["revoke", "bob"], "There is no key named 'bob'. See: kernelci keys list"),
    ):
        done = kernelci.run("keys", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"kernelci: {sentence}")
        assert done.stderr.count("\n") == 1


def test_who_talks_to_a_server_with_keys_needs_one(kernelci: Command, settings: Settings) -> None:
    with running(settings, Catalog(None)):
        alice = given(settings, "alice")
        without = kernelci.run("ask", "x")
        wrong = kernelci.run("ask", "x", KERNELCI_API_KEY=alice[:-1] + "-")
        hers = kernelci.run("ask", "Hers", KERNELCI_API_KEY=alice)
    assert (without.returncode, wrong.returncode, hers.returncode) == (1, 1, 0), hers.stderr
    asks = "kernelci: The kernelci server asks for a key: set KERNELCI_API_KEY. `kernelci keys add NAME` makes one."
    assert without.stderr.splitlines()[-1] == asks
    assert wrong.stderr.splitlines()[-1].startswith("kernelci: Incorrect API key provided: sk-ke***")
    for told in (without, wrong, hers):
        assert alice[5:-5] not in told.stdout + told.stderr


def test_without_a_server_the_folders_owner_needs_none(kernelci: Command, settings: Settings) -> None:
    alice, local = given(settings, "alice"), given(settings, "local")
    assert kernelci.run("ask", "Mine").returncode == 0
    assert kernelci.run("ask", "Hers", KERNELCI_API_KEY=alice).returncode == 0

    def listed(**key: str) -> list[str]:
        return [line.split("  ")[-1] for line in kernelci.run("threads", "list", **key).stdout.splitlines()]

    assert listed() == ["Hers", "Mine"]
    assert listed(KERNELCI_API_KEY=alice) == ["Hers"]
    assert listed(KERNELCI_API_KEY=local) == ["Mine"]
    mine = kernelci.run("threads", "list", KERNELCI_API_KEY=local).stdout.split()[0]
    assert kernelci.run("threads", "export", mine).returncode == 0
    foreign = kernelci.run("threads", "export", mine, KERNELCI_API_KEY=alice)
    assert foreign.stderr == f"kernelci: No thread found with id '{mine}'.\n"


def test_a_named_key_is_enough_off_loopback(kernelci: Command, settings: Settings) -> None:
    given(settings, "alice")
    outside = settings.model_copy(update={"host": "0.0.0.0"})
    with running(outside, Catalog(None)) as address:
        assert httpx2.get(
            f"http://127.0.0.1:{address.rpartition(':')[2]}/v1/models", trust_env=False
        ).is_client_error
        with_store(settings, lambda store: store.keys.drop("alice"))
        assert httpx2.get(
            f"http://127.0.0.1:{address.rpartition(':')[2]}/v1/models", trust_env=False
        ).is_client_error


def test_a_key_that_cannot_be_sent_is_a_mistake() -> None:
    for key in ("", "own key", "own-key\n"):
        with pytest.raises(StartupError) as refused:
            settings_from({"api_key": key})
        assert refused.value.message.startswith("--api-key (KERNELCI_API_KEY): ")
        assert "own" not in refused.value.message


def test_a_key_may_have_any_letters(kernelci: Command, settings: Settings) -> None:
    own = settings.model_copy(update={"api_key": SecretStr("סוד-ключ")})
    with running(own, Catalog(None)):
        assert kernelci.run("ask", "x", KERNELCI_API_KEY="סוד-ключ").returncode == 0
