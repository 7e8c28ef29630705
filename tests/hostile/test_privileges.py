"""Programs that want rights, or a part of the system that gives some."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import platform

import pytest

from tests.hostile.conftest import Place, last_line
from tests.sessions.conftest import text_of

CALLS = {  # numbers of x86_64
    "ptrace": "call(101, 16, 1, 0, 0)",
    "process_vm_readv": "call(310, 1, 0, 0, 0, 0, 0)",
    "process_vm_writev": "call(311, 1, 0, 0, 0, 0, 0)",
    "pidfd_getfd": "call(438, 3, 0, 0)",
    "kcmp": "call(312, 1, 1, 0, 0, 0)",
    "unshare of users": "call(272, 0x10000000)",
    "unshare of mounts": "call(272, 0x20000)",
    "setns": "call(308, os.open('/proc/self/ns/net', 0), 0)",
    "clone with a new user namespace": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "clone with a new network": "call(56, 0x40000000 | 17, 0, 0, 0, 0)",
    "mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "remount": "call(165, 0, b'/usr', 0, 32 | 4096, 0)",
    "umount2": "call(166, b'/s', 2)",
    "pivot_root": "call(155, b'.', b'.')",
    "chroot": "call(161, b'/tmp')",
    "open_tree": "call(428, -100, b'/', 1)",
    "move_mount": "call(429, -100, b'/', -100, b'/tmp', 0)",
    "fsopen": "call(430, b'proc', 0)",
    "fsmount": "call(432, 3, 0, 0)",
    "mount_setattr": "call(442, -100, b'/', 0, 0, 0)",
    "open_by_handle_at": "call(304, 3, 0, 0)",
    "bpf": "call(321, 0, 0, 0)",
    "perf_event_open": "call(298, 0, 0, -1, -1, 0)",
    "userfaultfd": "call(323, 0)",
    "io_uring_setup": "call(425, 1, 0)",
    "add_key": "call(248, b'user', b'x', b'x', 1, -3)",
    "request_key": "call(249, b'user', b'x', 0, -3)",
    "keyctl": "call(250, 0, -3, 1)",
    "init_module": "call(175, 0, 0, 0)",
    "finit_module": "call(313, 0, 0, 0)",
    "kexec_load": "call(246, 0, 0, 0, 0)",
    "reboot": "call(169, 0xfee1dead, 672274793, 0x1234567, 0)",
    "syslog": "call(103, 3, 0, 0)",
    "iopl": "call(172, 3)",
    "modify_ldt": "call(154, 0, 0, 0)",
    "personality": "call(135, 0x0040000)",
    "settimeofday": "call(164, 0, 0)",
    "sethostname": "call(170, b'x', 1)",
    "swapon": "call(167, b'/tmp/x', 0)",
    "quotactl": "call(179, 0, 0, 0, 0)",
    "fanotify_init": "call(300, 0, 0)",
    "writing to a terminal's input": "call(16, 0, 0x5412, b'x')",
    "the same, with a high half": "call(16, 0, 0x1_0000_5412, b'x')",
    "linux console": "call(16, 0, 0x541C, b'\\x02')",
    "supplementary groups": "call(116, 1, (ctypes.c_uint * 1)(0))",
    "capabilities": "call(126, (ctypes.c_uint * 2)(0x20080522, 0), (ctypes.c_uint * 6)(*[0xffffffff] * 6))",
}
UNKNOWN = {"becoming root": "call(105, 0)", "root's group": "call(106, 0)"}  # there is nobody of that number
MISSING = {"clone3": "call(435, bytes(88), 88)", "x32 calls": "call(0x40000000 + 39)"}

WRITES = {
    "/proc/sys/kernel/core_pattern": "|/bin/sh",
    "/proc/sys/kernel/modprobe": "/tmp/x",
    "/proc/sys/kernel/hostname": "owned",
    "/proc/sys/kernel/shmmax": "1",
    "/proc/sys/kernel/yama/ptrace_scope": "0",
    "/proc/sys/net/ipv4/ip_forward": "1",
    "/proc/sys/vm/drop_caches": "1",
    "/proc/sys/user/max_user_namespaces": "100",
    "/proc/sysrq-trigger": "b",
    "/proc/self/uid_map": "0 0 1",
    "/proc/self/setgroups": "allow",
    "/proc/1/oom_score_adj": "-1000",
    "/sys/fs/cgroup/release_agent": "/tmp/x",
    "/sys/kernel/uevent_helper": "/tmp/x",
    "/dev/kmsg": "x",
    "/dev/mem": "x",
    "/proc/kcore": "x",
}


@pytest.mark.parametrize("name", [*CALLS, *UNKNOWN, *MISSING])
async def test_a_dangerous_call_is_refused(place: Place, name: str):
    if platform.machine() != "x86_64":
        return  # the numbers above are other calls there
    expected = "'ENOSYS'" if name in MISSING else "'EINVAL'" if name in UNKNOWN else "'EPERM'"

    assert last_line(await place.attack((CALLS | UNKNOWN | MISSING)[name])) == expected


@pytest.mark.parametrize("path", [*WRITES])
async def test_a_setting_of_the_machine_cannot_be_written(place: Place, path: str):
    code = f"tried(lambda: os.write(os.open({path!r}, os.O_WRONLY), {WRITES[path].encode()!r}))"

    assert last_line(await place.attack(code)) in {"'EROFS'", "'EACCES'", "'EPERM'", "'ENOENT'"} | _DISCARDED.get(
        path, set()
    )


_DISCARDED = {path: {str(len(WRITES[path]))} for path in ("/proc/sysrq-trigger", "/proc/kcore")}
"""What /dev/null covers takes everything."""


async def test_calls_of_32_bits_are_refused(place: Place):
    """`int 0x80` reaches the table of i386, whose numbers mean other calls."""
    if platform.machine() != "x86_64":
        return
    code = """
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
get_pid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print(get_pid())
"""
    result = await place.attack(code, "i386")

    assert result.status == "dead" or last_line(result) == "-38"


async def test_it_has_no_capability_and_gains_none(place: Place):
    code = """
print({line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")})
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("NoNewPrivs", "Seccomp:"))])
print(os.getresuid(), os.getgroups())
"""
    told = text_of(await place.attack(code)).splitlines()

    assert told == ["{'0000000000000000'}", "['1', '2']", "(1000, 1000, 1000) []"]


@pytest.mark.parametrize("program", ["/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/sudo"])
async def test_a_setuid_program_gives_nothing(place: Place, program: str):
    code = f"""
import shutil
if os.path.exists({program!r}):
    shutil.copy({program!r}, "mine"); os.chmod("mine", 0o6755)
done = subprocess.run(["sh", "-c", "cp /bin/id . ; chmod 6755 id; ./id -u; exec {program} -c id root"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
print("uid=0" in done.stdout, done.stdout.split()[0])
"""
    assert last_line(await place.attack(code, "setuid")) == "False 1000"


async def test_the_filter_holds_for_what_it_starts(place: Place):
    code = """
program = "import ctypes, os; l = ctypes.CDLL(None, use_errno=True); print(l.unshare(0x10000000), ctypes.get_errno())"
subprocess.run([sys.executable, "-c", program])
subprocess.run("unshare -U id; echo $?", shell=True, stderr=subprocess.DEVNULL)
"""
    assert text_of(await place.attack(code)).split("\n")[:2] == ["-1 1", "1"]


async def test_the_machine_is_not_told_of(place: Place):
    code = """
told = ["bus", "cmdline", "consoles", "crypto", "devices", "dma", "interrupts", "iomem", "kallsyms", "kmsg", "locks"]
told += ["misc", "modules", "partitions", "softirqs", "swaps", "timer_list"]
{name for name in told if os.path.exists(f"/proc/{name}") and tried(lambda: os.listdir(f"/proc/{name}")
    if os.path.isdir(f"/proc/{name}") else open(f"/proc/{name}").read()) not in ("", "EACCES", "PermissionError")}
"""
    assert last_line(await place.attack(code)) == "set()"
