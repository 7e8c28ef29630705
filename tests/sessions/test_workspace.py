"""Files into a session and out of it, with code that plants what it can on the way."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from kernelci.engine.ports.sessions import MountedFile
from kernelci.errors import KernelUnavailable
from kernelci.sessions.workspace import Workspace
from tests.sessions.conftest import Pool, text_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "sessions")


@pytest.fixture
def stored(tmp_path: Path):
    """A function that stores bytes and gives a file to be mounted."""

    def store(file_id: str, filename: str, content: bytes = b"a,b\n1,2\n") -> MountedFile:
        blob = tmp_path / f"blob-{file_id}"
        blob.write_bytes(content)
        return MountedFile(file_id, filename, blob)

    return store


def within(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def read(workspace: Workspace, path: str) -> bytes | None:
    """What is read out of the session `s`."""
    found = workspace.file("s", path)
    if found is None:
        return None
    with found.handle as handle:
        return handle.read()


def test_a_file_has_its_own_name_and_its_id_is_a_link(workspace: Workspace, stored):
    workspace.mount("s", [stored("file-1", "data.csv")])
    data = workspace.data("s")

    assert (data / "data.csv").read_bytes() == b"a,b\n1,2\n"
    assert (data / "file-1").readlink() == Path("data.csv")
    assert within(data) == ["data.csv", "file-1"]
    assert within(data.parent) == ["data", "mounts.json"]


def test_the_stored_bytes_are_not_the_codes_to_change(workspace: Workspace, stored):
    file = stored("file-1", "data.csv")
    workspace.mount("s", [file])
    (workspace.data("s") / "data.csv").write_bytes(b"changed")

    assert file.blob.read_bytes() == b"a,b\n1,2\n"
    assert file.blob.stat().st_nlink == 1


def test_a_file_is_put_in_once(workspace: Workspace, stored):
    files = [stored("file-1", "data.csv"), stored("file-2", "more.csv")]
    data = workspace.data("s")
    workspace.mount("s", files[:1])
    (data / "data.csv").write_bytes(b"changed")
    workspace.mount("s", files)
    (data / "more.csv").unlink()
    workspace.mount("s", files)

    assert (data / "data.csv").read_bytes() == b"changed"
    assert not (data / "more.csv").exists()


def test_another_server_knows_what_was_put_in(tmp_path: Path, stored):
    files = [stored("file-1", "data.csv")]
    Workspace(tmp_path / "sessions").mount("s", files)
    later = Workspace(tmp_path / "sessions")
    (later.data("s") / "data.csv").write_bytes(b"changed")
    later.mount("s", [stored("file-9", "data.csv"), *files])

    assert (later.data("s") / "data.csv").read_bytes() == b"changed"
    assert later.names("s", files) == {"file-1": "data.csv"}


def test_a_file_that_is_not_listed_any_more_stays(workspace: Workspace, stored):
    workspace.mount("s", [stored("file-1", "data.csv")])
    workspace.mount("s", [])

    assert read(workspace, "data.csv") == b"a,b\n1,2\n"


def test_a_file_never_takes_the_name_of_another(workspace: Workspace, stored):
    workspace.mount("s", [stored("file-aaaaaa1", "data.csv", b"first")])
    (workspace.data("s") / "made.csv").write_bytes(b"by the code")
    files = [stored("file-bbbbbb2", "data.csv", b"second"), stored("file-cccccc3", "made.csv", b"third")]
    told = workspace.names("s", files)
    workspace.mount("s", files)

    assert told == {"file-bbbbbb2": "data-bbbbb2.csv", "file-cccccc3": "made-ccccc3.csv"}
    assert workspace.names("s", files) == told
    assert read(workspace, "data.csv") == b"first"
    assert read(workspace, "made.csv") == b"by the code"
    assert read(workspace, "data-bbbbb2.csv") == b"second"
    assert read(workspace, "made-ccccc3.csv") == b"third"


def test_names_are_told_before_there_is_a_session(workspace: Workspace, stored):
    assert workspace.names("s", [stored("file-1", "data.csv")]) == {"file-1": "data.csv"}
    assert not workspace.exists("s")


@pytest.mark.parametrize(
    "filename",
    [
        "../../x",
        "/etc/passwd",
        "a\0b",
        "a\nb",
        "x" * 255,
        "-rf",
        "\u202egnp.exe",
        "שָׁלוֹם.csv",
        "file-0",
        "\ud800",
        "",
    ],
)
def test_a_hostile_name_stays_in_the_folder(workspace: Workspace, stored, filename: str):
    workspace.mount("s", [stored("file-0", filename, b"mine"), stored("file-1", filename, b"yours")])
    names = workspace.names("s", [stored("file-0", filename, b"mine"), stored("file-1", filename, b"yours")])

    assert len(within(workspace.data("s"))) == 4
    assert read(workspace, names["file-0"]) == read(workspace, "file-0") == b"mine"
    assert read(workspace, names["file-1"]) == read(workspace, "file-1") == b"yours"


def test_links_that_the_code_plants_are_not_followed_in(workspace: Workspace, stored, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    workspace.mount("s", [])
    data = workspace.data("s")
    (data / "data.csv").symlink_to(precious)
    (data / "file-1").symlink_to(precious)
    (data / "more.csv").symlink_to(tmp_path / "nowhere")
    workspace.mount("s", [stored("file-1", "data.csv"), stored("file-2", "more.csv")])

    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()
    assert read(workspace, "file-1") == read(workspace, "file-2") == b"a,b\n1,2\n"
    assert (data / "file-1").readlink().name.startswith("data-")


def test_a_folder_in_a_links_place_is_left(workspace: Workspace, stored):
    workspace.mount("s", [])
    (workspace.data("s") / "file-1" / "below").mkdir(parents=True)
    workspace.mount("s", [stored("file-1", "data.csv")])

    assert read(workspace, "data.csv") == read(workspace, "file-1") == b"a,b\n1,2\n"
    assert within(workspace.data("s").parent) == ["data", "mounts.json"]


def test_a_data_folder_that_was_replaced_by_a_link_is_refused(workspace: Workspace, stored, tmp_path: Path):
    workspace.mount("s", [])
    (tmp_path / "elsewhere").mkdir()
    workspace.data("s").rmdir()
    workspace.data("s").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KernelUnavailable, match="Not a directory"):
        workspace.mount("s", [stored("file-1", "data.csv")])
    assert within(tmp_path / "elsewhere") == []


def test_a_file_that_was_deleted_meanwhile_is_left_out(workspace: Workspace, stored):
    file = stored("file-1", "data.csv")
    file.blob.unlink()
    workspace.mount("s", [file, stored("file-2", "more.csv")])

    assert read(workspace, "file-1") is None
    assert read(workspace, "more.csv") == b"a,b\n1,2\n"


def test_a_large_file_arrives_whole(workspace: Workspace, stored):
    content = os.urandom(1 << 20) * 5 + b"end"
    workspace.mount("s", [stored("file-1", "large.bin", content)])

    assert read(workspace, "large.bin") == content


def test_what_is_read_has_a_name_and_a_stamp_that_changes(workspace: Workspace, stored):
    workspace.mount("s", [stored("file-1", "data.csv")])
    (workspace.data("s") / "below").mkdir()
    (workspace.data("s") / "below" / "out.csv").write_bytes(b"one")
    first = workspace.file("s", "./below//out.csv")
    (workspace.data("s") / "below" / "out.csv").write_bytes(b"two")
    second = workspace.file("s", "below/out.csv")
    by_id = workspace.file("s", "file-1")

    assert first and second and by_id
    with first.handle, second.handle, by_id.handle:
        assert first.name == second.name == "below/out.csv"
        assert first.stamp != second.stamp
        assert by_id.name == "data.csv"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../mounts.json",
            "below/../../mounts.json",
            "a\0b",
            "\ud800",
            "x" * 5000,
        ),
        *("nothing", "folder", "folder/nothing", "to_passwd", "to_etc/passwd", "to_self", "loop", "fifo", "socket"),
        *("hard", "proc/self/environ", "data.csv/x"),
    ],
)
def test_only_regular_files_below_are_read(workspace: Workspace, tmp_path: Path, path: str):
    workspace.mount("s", [])
    data = workspace.data("s")
    (data / "data.csv").write_bytes(b"x")
    (data / "folder").mkdir()
    for name, target in (
        ("to_passwd", "/etc/passwd"),
        ("to_etc", "/etc"),
        ("to_self", "data.csv"),
        ("loop", "loop"),
    ):
        (data / name).symlink_to(target)
    (data / "proc").symlink_to("/proc")
    os.mkfifo(data / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(data, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    (tmp_path / "secret").write_bytes(b"secret")
    os.link(tmp_path / "secret", data / "hard")

    assert workspace.file("s", path) is None


def test_a_name_that_keeps_changing_is_read_as_a_file_or_not_at_all(workspace: Workspace, tmp_path: Path):
    workspace.mount("s", [])
    data = workspace.data("s")
    (tmp_path / "secret").write_bytes(b"secret")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (data / "new").write_bytes(b"mine")
            (data / "new").replace(data / "out.csv")
            (data / "new").symlink_to(tmp_path / "secret")
            (data / "new").replace(data / "out.csv")

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = {read(workspace, "out.csv") for _ in range(2000)}
    finally:
        stop.set()
        swapping.join()

    assert seen <= {None, b"mine"}


async def test_a_kernel_sees_its_files_under_both_names(pool: Pool, stored):
    files = [stored("file-1", "נתונים.csv")]
    result = await pool.run(
        "import pandas as pd\npd.read_csv('/mnt/data/file-1').equals(pd.read_csv('נתונים.csv'))",
        *files,
        session="files",
    )
    await pool.run("open('/mnt/data/out.csv', 'w').write('made')", *files, session="files")
    found = await pool.sessions.file("files", "out.csv")

    assert text_of(result) == "True"
    assert found
    with found.handle as handle:
        assert handle.read() == b"made"
    assert await pool.sessions.names("files", files) == {"file-1": "נתונים.csv"}


async def test_a_file_may_come_between_two_cells(pool: Pool, stored):
    await pool.run("import os", session="between")
    result = await pool.run("sorted(os.listdir('.'))", stored("file-1", "data.csv"), session="between")

    assert text_of(result) == "['data.csv', 'file-1']"
