"""System calls: their arguments, results, errors and waits."""

from __future__ import annotations

import emuplugin
from emuplugin.runtime_shims.kernel import kernel  # noqa: F401  (its subjects fill the table)
from emuplugin.runtime_shims.kernel.table import TABLE
from emuplugin.tracing.call_arguments import KINDS
from emuplugin.tracing.call_flags import ENUMS, ERRORS, FLAGS, flags_text, signals_text
from emuplugin.tracing.call_table import FORMS
from emuplugin.tracing.events import Output, SystemCall
from tests.conftest import PluginPath
from tests.tracing.support import quiet, trace


def test_table_is_complete() -> None:
    """Every call that does something has a form, with as many arguments as its handler takes."""
    for entry in TABLE.values():
        if entry.level == "refused":
            continue
        assert entry.name in FORMS, entry.name
        # Extended attributes have handlers that look at one argument: none are kept.
        assert len(FORMS[entry.name].arguments) >= entry.arguments, entry.name
    names = {entry.name for entry in TABLE.values()}
    assert FORMS.keys() <= names


def test_kinds_are_known() -> None:
    for name, form in FORMS.items():
        for kind in form.arguments:
            assert kind in KINDS, f"{name}: {kind}"


def test_flags() -> None:
    assert flags_text("open", 0o2101) == "O_WRONLY|O_CREAT|O_APPEND"
    assert flags_text("open", 0) == "O_RDONLY"
    assert flags_text("prot", 0) == "PROT_NONE"
    assert flags_text("prot", 0x83) == "PROT_READ|PROT_WRITE|0x80"
    assert flags_text("map", 0x22) == "MAP_PRIVATE|MAP_ANONYMOUS"
    assert signals_text(1 << 22 | 1) == "[HUP URG]"
    assert signals_text((1 << 64) - 1) == "~[]"
    assert (ERRORS[2], ERRORS[110], ERRORS[11]) == ("ENOENT", "ETIMEDOUT", "EAGAIN")
    assert ENUMS["futex"][9] == "FUTEX_WAIT_BITSET"
    assert all(bits >= 0 for table in FLAGS.values() for bits in table)


def test_files(go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version), "Write", "/tmp/x", syscalls=True)
    assert taken.result == "content\n"
    calls = {f"{call.name} {' '.join(call.arguments)}": call for call in taken.of(SystemCall)}
    opened = calls['openat AT_FDCWD "/tmp/x" O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC 0640']
    assert opened.text == f"{opened.result}</tmp/x>"
    fd = opened.text
    assert calls[f'write {fd} "content\\n" 8'].result == 8
    assert any(key.startswith(f'read {fd} "content\\n"') for key in calls)
    assert 'openat AT_FDCWD "/tmp/x" O_RDONLY|O_CLOEXEC' in calls
    missing = next(call for call in taken.of(SystemCall) if '"/no/such/file"' in call.arguments)
    assert (missing.result, missing.errno, missing.text) == (-2, "ENOENT", "-1")
    assert all(call.goroutine for call in calls.values() if call.name == "openat")


def test_a_wait(go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version), "Sleep", 7, syscalls=True)
    waits = [call for call in taken.of(SystemCall) if call.blocked]
    assert waits
    # Go rounds up to milliseconds for epoll, in up to two steps.
    assert 6_000_000 <= sum(call.duration for call in waits) <= 9_000_000
    assert taken.duration >= 7_000_000


def test_blocked_calls_end(go_version: str, plugin_path: PluginPath) -> None:
    """Several threads: one call ends while another thread runs."""
    plugin = plugin_path("runtime", go_version)
    with emuplugin.Machine(quiet(cpus=2)) as machine:
        function = machine.open(plugin).lookup("Locked")
        with machine.trace(syscalls=True) as taken:
            function(3)
    futexes = [call for call in taken.of(SystemCall) if call.name == "futex" and call.blocked]
    assert futexes
    for call in futexes:
        assert "FUTEX_WAIT_PRIVATE" in call.arguments[1]
        assert call.arguments[0].startswith("0x")
        assert "<" in call.arguments[0]
        assert call.duration >= 0
    assert len({call.thread for call in taken.of(SystemCall)}) > 1


def test_boot_is_seen(go_version: str, plugin_path: PluginPath) -> None:
    """A trace that begins before the plugin is opened."""
    taken = emuplugin.trace(plugin_path("hello", go_version), syscalls=True)
    names = [call.name for call in taken.of(SystemCall)]
    assert names.count("rt_sigaction") > 100
    assert "mmap" in names
    segv = [
        c for c in taken.of(SystemCall) if c.name == "rt_sigaction" and "SIGSEGV" in c.arguments
    ]
    assert any("SA_SIGINFO" in argument for argument in segv[-1].arguments)
    times = [call.time for call in taken.of(SystemCall) if not call.blocked]
    assert times == sorted(times)
    assert taken.began == 0


def test_output(go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version), "Print", "hé\x80", output=True)
    assert [(event.stream, event.text) for event in taken.of(Output)] == [
        ("stdout", "hé\x80\n"),
        ("stderr", "to stderr: hé\x80\n"),
    ]
    assert not taken.of(SystemCall)


def test_exit(go_version: str, plugin_path: PluginPath) -> None:
    """The last call never returns."""
    taken = emuplugin.trace(plugin_path("runtime", go_version), "Exit", 3, syscalls=True)
    assert isinstance(taken.error, emuplugin.GoExit)
    last = taken.of(SystemCall)[-1]
    assert (last.name, last.arguments, last.text) == ("exit_group", ("3",), "?")
