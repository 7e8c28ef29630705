"""Programs that read and write what is not theirs."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.hostile.conftest import Place, last_line
from tests.sessions.conftest import text_of

UNREADABLE = {
    "the host's passwords": ("tried(open, '/etc/shadow')", "'ENOENT'"),
    "keys of the person": ("tried(os.listdir, os.path.expanduser('~root/.ssh'))", "'ENOENT'"),
    "home folders": ("tried(os.listdir, '/home')", "'ENOENT'"),
    "a file of the host that all may read": ("tried(open, 'CANARY')", "'ENOENT'"),
    "the same, through the kernel's own root": ("tried(open, '/proc/self/rootCANARY')", "'ENOENT'"),
    "the same, through a child's root": (
        "subprocess.run('cat /proc/$$/rootCANARY', shell=True, capture_output=True).returncode",
        "1",
    ),
    "the same, climbing": ("tried(open, '/mnt/data/' + '../' * 40 + 'CANARY')", "'ENOENT'"),
    "other sessions": ("tried(os.listdir, '/s')", "'EACCES'"),
    "a session by its name": ("tried(open, '/s/bystander/data/theirs')", "'EACCES'"),
    "the server's program": ("tried(os.listdir, SERVER)", "'ENOENT'"),
    "the first process's environment": ("tried(open, '/proc/1/environ')", "'EACCES'"),
    "memory of the first process": ("tried(open, '/proc/1/mem')", "'EACCES'"),
    "the root of the first process": ("tried(os.listdir, '/proc/1/root/s')", "'EACCES'"),
    "descriptors of the first process": ("tried(os.listdir, '/proc/1/fd')", "'EACCES'"),
    "other processes than its own": ("[each for each in os.listdir('/proc') if each.isdigit()]", "['1', '2']"),
    "the old root": ("tried(os.listdir, '/old')", "'ENOENT'"),
    "disks": ("[each for each in os.listdir('/dev') if stat.S_ISBLK(os.stat('/dev/' + each).st_mode)]", "[]"),
    "the kernel's log": ("open('/proc/kmsg').read()", "''"),
    "the machine's command line": ("open('/proc/cmdline').read()", "''"),
    "keyrings": ("open('/proc/keys').read()", "''"),
    "the machine's name": ("os.uname().nodename", "'kernelci'"),
    "the control groups' names": ("{line.split(':')[2] for line in open('/proc/self/cgroup')}", "{'/\\n'}"),
    "devices": ("tried(os.listdir, '/sys')", "'ENOENT'"),
}

UNWRITABLE = {
    "the root": ("tried(open, '/new', 'w')", "'EROFS'"),
    "the system": ("tried(open, '/usr/bin/new', 'w')", "'EROFS'"),
    "the accounts": ("tried(open, '/etc/passwd', 'a')", "'EACCES'"),
    "the confinement's own files": ("tried(open, '/k/shell.py', 'a')", "'EROFS'"),
    "the interpreter": ("tried(open, sys.executable, 'r+b')", "'EROFS'"),
    "site-packages": (
        "tried(open, os.path.dirname(os.path.dirname(__import__('numpy').__file__)) + '/x.pth', 'w')",
        "'EROFS'",
    ),
    "the standard library": ("tried(open, os.__file__, 'a')", "'EROFS'"),
    "modes of what it sees": ("tried(os.chmod, os.__file__, 0o777)", "'EROFS'"),
    "a special file": ("tried(os.mknod, '/mnt/data/disk', 0o660 | stat.S_IFBLK, os.makedev(254, 0))", "'EPERM'"),
    "a file's owner": ("open('mine', 'w').close(); tried(os.chown, 'mine', 0, 0)", "'EINVAL'"),
    "the folders' parent": ("tried(os.rename, '/mnt/data', '/mnt/other')", "'EBUSY'"),
}


@pytest.mark.parametrize("name", [*UNREADABLE])
async def test_what_is_not_in_the_session_cannot_be_read(place: Place, name: str):
    code, expected = UNREADABLE[name]
    server = Path(__file__).parents[2]

    assert last_line(await place.attack(code.replace("SERVER", repr(str(server))))) == expected


@pytest.mark.parametrize("name", [*UNWRITABLE])
async def test_what_is_not_in_the_session_cannot_be_written(place: Place, name: str):
    code, expected = UNWRITABLE[name]

    assert last_line(await place.attack(code)) in {expected, "'EACCES'", "'EROFS'"}


async def test_nothing_of_the_hosts_environment_is_in_it(place: Place, monkeypatch: pytest.MonkeyPatch):
    told = text_of(await place.attack("print(sorted(os.environ))\n!env"))

    for name in set(os.environ) - {"HOME", "LANG", "PATH", "PWD", "TZ", "TMPDIR", "SHLVL", "_", "OLDPWD"}:
        assert f"{name}=" not in told
        assert f"'{name}'" not in told


async def test_no_descriptor_of_the_host_is_in_it(place: Place):
    code = """
held = {}
for number in range(1024):
    try: held[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError: pass
print([target for number, target in held.items() if number != 0 and not target.startswith(("pipe:", "socket:"))])
print(held[0], sum(target.startswith("socket:") for target in held.values()))
"""
    assert text_of(await place.attack(code, "descriptors")) == "[]\n/dev/null 1\n"


async def test_mounts_name_no_folder_but_what_is_shown(place: Place):
    """The places of the environment and of the session's folder are known inside; what else there is, is not."""
    told = text_of(await place.attack("print(open('/proc/self/mountinfo').read())"))

    assert str(place.canary) not in told
    assert "bystander" not in told


PLANTED = {
    "a link to a file of the host": "os.symlink('CANARY', 'out.csv')",
    "a link to a file that is there inside as well": "os.symlink('/etc/passwd', 'out.csv')",
    "a climbing link": "os.symlink('../../../../../../etc/passwd', 'out.csv')",
    "a link to another session": "os.symlink('../../bystander/data/theirs', 'out.csv')",
    "a link to itself": "os.symlink('out.csv', 'out.csv')",
    "a link to a folder that is a link": "os.symlink('/', 'folder'); os.symlink('folder/etc/passwd', 'out.csv')",
    "a pipe": "os.mkfifo('out.csv')",
    "a folder": "os.mkdir('out.csv')",
    "a socket": "socket.socket(socket.AF_UNIX).bind('out.csv')",
    "a link to a device": "os.symlink('/dev/zero', 'out.csv')",
    "a link into /proc": "os.symlink('/proc/self/environ', 'out.csv')",
    "a second name for a link": "os.symlink('CANARY', 'one'); os.link('one', 'out.csv', follow_symlinks=False)",
}


@pytest.mark.parametrize("name", [*PLANTED])
async def test_the_host_does_not_fall_for_what_is_planted(place: Place, name: str):
    session = f"planted_{[*PLANTED].index(name)}"
    result = await place.attack(PLANTED[name], session)

    assert result.status == "ok"
    assert await place.pool.sessions.file(session, "out.csv") is None


async def test_a_file_swapped_for_a_link_again_and_again_never_leads_out(place: Place):
    code = """
def swap():
    for turn in range(20_000):
        os.symlink("CANARY", "new"); os.replace("new", "out.csv")
        Path("new").write_text("mine"); os.replace("new", "out.csv")
threading.Thread(target=swap, daemon=True).start()
"""
    await place.attack(code, "swapping")
    for _ in range(200):
        found = await place.pool.sessions.file("swapping", "out.csv")
        if found:
            with found.handle as content:
                assert content.read() in {b"mine", b""}
    await place.check()


async def test_the_temporary_folders_of_two_sessions_are_two(place: Place):
    await place.attack("Path('/tmp/x').write_text('1'); Path('/dev/shm/x').write_text('1')", "first")

    assert (
        last_line(await place.attack("os.path.exists('/tmp/x') or os.path.exists('/dev/shm/x')", "second"))
        == "False"
    )
    assert not Path(tempfile.gettempdir(), "x").exists()


async def test_what_a_kernel_leaves_behind_starts_nothing_in_the_next(place: Place):
    code = """
for name in ("sitecustomize.py", "usercustomize.py", "numpy.py", "x.pth", "matplotlibrc", ".ipython/profile_default/startup/a.py"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("print('poisoned')")
os._exit(0)
"""
    await place.attack(code, "poison")
    after = await place.attack("import numpy\nprint(numpy.__name__, sys.flags.isolated)", "poison")

    assert after.status == "ok"
    assert "poisoned" not in text_of(after)


LARGE = {
    "a file of a terabyte without content": (
        "f = open('large', 'wb'); tried(os.ftruncate, f.fileno(), 1 << 40)",
        "'EFBIG'",
    ),
    "a file over the limit": (
        "f = open('large', 'wb'); tried(os.posix_fallocate, f.fileno(), 2 << 30, 4096)",
        "'EFBIG'",
    ),
    "a full /tmp": (
        "f = open('/tmp/large', 'wb'); r = tried(os.posix_fallocate, f.fileno(), 0, 600 << 20); os.remove('/tmp/large'); r",
        "'ENOSPC'",
    ),
    "a full /dev/shm": (
        "f = open('/dev/shm/l', 'wb'); r = tried(os.posix_fallocate, f.fileno(), 0, 600 << 20); os.remove('/dev/shm/l'); r",
        "'ENOSPC'",
    ),
}


@pytest.mark.parametrize("name", [*LARGE])
async def test_files_have_a_largest_size(place: Place, name: str):
    code, expected = LARGE[name]

    assert last_line(await place.attack("signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + code)) == expected


async def test_very_many_files_and_deep_folders_do_not_stop_the_session(place: Place):
    code = """
for number in range(5_000): os.close(os.open(f"f{number}", os.O_CREAT))
for _ in range(300): os.mkdir("deep"); os.chdir("deep")
"""
    await place.attack(code, "many")
    await place.attack("os.chdir('/mnt/data'); Path('last').write_text('1')", "many")
    found = await place.pool.sessions.file("many", "last")
    assert found
    found.handle.close()
    await place.pool.sessions.close("many")
    assert not place.pool.data("many").exists()
