"""Words of the Linux kernel a manifest may use: capabilities and signals.

Unknown words are refused here, where a person reads the answer, and not on a device
at night. Sources: capabilities(7) up to Linux 6.12, signal(7).
"""

import difflib

from edge.manifest import scalars
from edge.manifest.scalars import shown, wrong

_CAPABILITIES = """
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN
DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE
LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST
NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT
SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG WAKE_ALARM
"""
_SIGNALS = """
SIGABRT SIGALRM SIGBUS SIGCHLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGKILL
SIGPIPE SIGPROF SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP
SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ
"""
CAPABILITIES = frozenset(_CAPABILITIES.split())
SIGNALS = frozenset(_SIGNALS.split())


def capability(value: object) -> str:
    """Return a capability in upper case without ``CAP_``."""
    word = scalars.text(value).upper().removeprefix("CAP_")
    if word == "ALL":
        raise wrong(value, "name each capability it needs; there is no word for all")
    return _known(word, CAPABILITIES, value, "a Linux capability such as NET_ADMIN")


def stop_signal(value: object) -> str:
    """Return a signal's name in upper case with ``SIG``."""
    word = "SIG" + scalars.text(value).upper().removeprefix("SIG")
    return _known(word, SIGNALS, value, "a signal such as SIGTERM")


def _known(word: str, words: frozenset[str], value: object, kind: str) -> str:
    if word in words:
        return word
    near = difflib.get_close_matches(word, sorted(words), n=1)
    hint = f"did you mean {shown(near[0])}?" if near else f"write {kind}"
    raise wrong(value, hint)
