"""Which system calls the model's code may not make, and the BPF program that says so.

A refused call gives an error, as it would on a machine without the feature; nothing is killed, so that honest
libraries fall back. Allowed is what is not named: an allow list would break with every new C library.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping

_LD, _AND, _JEQ, _JGE, _JSET, _RET = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); None where an architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    # namespaces, mounts, roots
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # the kernel itself
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "fanotify_init": (300, 262),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    # keys
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # memory of others, pinned memory
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "mlockall": (151, 230),
}

_MISSING: dict[str, tuple[int, int]] = {
    "clone3": (435, 435),  # the C library then uses clone, whose flags show
    # memory that belongs to no process, and so to no limit
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}

# Where the machine's files, processes and queues are in the same namespaces as ours.

_OF_OTHERS: dict[str, tuple[int | None, int | None]] = {
    # whom nobody has to talk to
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    # queues and memory that others have made
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # owners, which Landlock does not judge, nor what follows here
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    # what happens in folders, and where they come from
    "inotify_add_watch": (254, 27),
    "statmount": (457, 457),
    "listmount": (458, 458),
}

_WITHOUT_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "getxattr": (191, 8),
    "lgetxattr": (192, 9),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "getxattrat": (464, 464),
    "listxattrat": (465, 465),
    "removexattrat": (466, 466),
    "file_getattr": (468, 468),
    "file_setattr": (469, 469),
}

_PRETENDED: dict[str, tuple[int | None, int | None]] = {
    # modes and times: honest programs set them when they copy a file, and hardly ever look
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}

_ON_ITSELF: dict[str, tuple[int, int]] = {
    # the first argument is a process, and 0 is the one that calls
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}

_SETPRIORITY = (141, 140)
_IOPRIO_SET = (251, 30)
_OF_A_PROCESS = {_SETPRIORITY: 0, _IOPRIO_SET: 1}

_CLONE = (56, 220)
_SOCKET = (41, 198)
_SOCKETPAIR = (53, 199)
_IOCTL = (16, 29)
_PERSONALITY = (135, 92)

_NEW_NAMESPACE = 0x7E020080  # every CLONE_NEW* flag
_FAMILIES = (1, 2, 10)  # unix, inet, inet6: the last two lead nowhere, but libraries try them
_NETLINK, _ROUTE = 16, 0
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FILE_FLAGS = (0x40086602, 0x401C5820, 0x40806685)  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY
_KIND, _STREAM, _PACKETS = 0xF, 1, 5


def program(machine: str | None = None, *, shared: bool = False) -> bytes:
    """The filter for this machine, as the kernel takes it.

    `shared` is whether the processes that it is for have no namespaces of their own.

    Raises:
        OSError: there is none for this machine's architecture.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for {machine}")
    which = list(_ARCHITECTURES).index(machine)
    lines = [_load(_ARCH), *_unless(_ARCHITECTURES[machine], errno.ENOSYS), _load(_NUMBER)]
    if machine == "x86_64":
        lines += [_jump(_JGE, _X32, 0, 1), _refuse(errno.ENOSYS)]
    lines += _always(_REFUSED, which, errno.EPERM) + _always(_MISSING, which, errno.ENOSYS)
    lines += _on(_CLONE[which], [_load(_argument(0)), _jump(_JSET, _NEW_NAMESPACE, 0, 1), _refuse(errno.EPERM)])
    lines += _shared(which) if shared else _separate(which)
    lines += _on(
        _IOCTL[which],
        [
            _load(_argument(1)),
            *(each for code in _TERMINAL_INPUT + _FILE_FLAGS for each in _refused_if(code)),
        ],
    )
    lines += _on(
        _PERSONALITY[which],
        [_load(_argument(0)), _jump(_JEQ, 0, 2, 0), _jump(_JEQ, 0xFFFFFFFF, 1, 0), _refuse(errno.EPERM)],
    )
    return b"".join([*lines, _return(_ALLOW)])


def _separate(which: int) -> list[bytes]:
    """What sockets there may be in a network of their own."""
    one_kind = [_load(_argument(0)), _jump(_JEQ, 1, 1, 0), _refuse(errno.EAFNOSUPPORT)]
    return _on(_SOCKET[which], _socket()) + _on(_SOCKETPAIR[which], one_kind)


def _shared(which: int) -> list[bytes]:
    """What of the machine's own may not be touched: its sockets, queues, other processes, modes of its files."""
    lines = _always(_OF_OTHERS, which, errno.EPERM)
    lines += _always(_WITHOUT_ATTRIBUTES, which, errno.EOPNOTSUPP)
    lines += _always(_PRETENDED, which, 0)
    lines += _always({"socket": _SOCKET}, which, errno.EAFNOSUPPORT)
    lines += _on(  # a pair that is connected for good: a datagram could be sent to any other socket
        _SOCKETPAIR[which],
        [
            *(_load(_argument(0)), _jump(_JEQ, 1, 1, 0), _refuse(errno.EAFNOSUPPORT)),
            *(_load(_argument(1)), _line(_AND, _KIND)),
            *(_jump(_JEQ, _STREAM, 2, 0), _jump(_JEQ, _PACKETS, 1, 0), _refuse(errno.EAFNOSUPPORT)),
        ],
    )
    for numbers in _ON_ITSELF.values():
        lines += _on(numbers[which], [_load(_argument(0)), *_unless(0, errno.EPERM)])
    for numbers, one_process in _OF_A_PROCESS.items():
        judged = [*_unless(one_process, errno.EPERM), _load(_argument(1)), *_unless(0, errno.EPERM)]
        lines += _on(numbers[which], [_load(_argument(0)), *judged])
    return lines


def _always(calls: Mapping[str, tuple[int | None, int | None]], which: int, error: int) -> list[bytes]:
    numbers = [numbers[which] for numbers in calls.values()]
    return [
        line for number in numbers if number is not None for line in (_jump(_JEQ, number, 0, 1), _refuse(error))
    ]


def _refused_if(value: int) -> list[bytes]:
    return [_jump(_JEQ, value, 0, 1), _refuse(errno.EPERM)]


def _socket() -> list[bytes]:
    """Unix and internet sockets, and the one kind of netlink that ZeroMQ asks of interfaces."""
    families = [_jump(_JEQ, family, len(_FAMILIES) - at + 4, 0) for at, family in enumerate(_FAMILIES)]
    return [
        _load(_argument(0)),
        *families,
        _jump(_JEQ, _NETLINK, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
        _load(_argument(2)),
        _jump(_JEQ, _ROUTE, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
    ]


def _argument(index: int) -> int:
    return _ARGUMENTS + 8 * index


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _load(offset: int) -> bytes:
    return _line(_LD, offset)


def _jump(test: int, value: int, yes: int, no: int) -> bytes:
    return _line(test, value, yes, no)


def _return(value: int) -> bytes:
    return _line(_RET, value)


def _refuse(error: int) -> bytes:
    return _return(_ERRNO | error)


def _unless(value: int, error: int) -> list[bytes]:
    return [_jump(_JEQ, value, 1, 0), _refuse(error)]


def _on(number: int, judged: list[bytes]) -> list[bytes]:
    """Judge one call by its arguments; afterwards the call's number is loaded again."""
    return [_jump(_JEQ, number, 0, len(judged) + 1), *judged, _load(_NUMBER)]
