"""emuplugin trace: the tree, its width and colours, files, and what goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emuplugin.build import NEWEST, PATCHES
from emuplugin.cli import main
from emuplugin.cli.trace_view import duration
from tests.conftest import PluginPath

_MARKS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def plugin(plugin_path: PluginPath) -> str:
    return str(plugin_path("traced", PATCHES[NEWEST]))


def _terminal(*arguments: str, columns: int = 80, **env: str) -> list[str]:
    """The lines that a terminal gets."""
    pty = pytest.importorskip("pty", reason="needs a system with terminals of Unix")
    import fcntl
    import struct
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "emuplugin", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": str(columns), **env},
    )
    os.close(terminal)
    output = b""
    while True:
        try:
            data = os.read(controller, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        output += data
    os.close(controller)
    process.wait()
    return output.decode().replace("\r\n", "\n").splitlines()


def _columns(line: str) -> int:
    return len(_MARKS.sub("", line))


def test_tree(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", plugin, "Recover", "1"]) == 0
    captured = capfd.readouterr()
    tree = [line[10:] for line in captured.out.splitlines()]
    start = tree.index("G1   main.Recover(n=1)")
    assert re.sub(r"[\d,]+ instructions", "N instructions", "\n".join(tree[start:])) == "\n".join(
        [
            "G1   main.Recover(n=1)",
            "G1   │ main.recovers(n=1)",
            "G1   │ │ main.fails(n=1)",
            "G1   │ │ │ main.fails(n=0)",
            "G1   │ │ │ │ panic: no more: 0",
            "G1   │ │ │ │ main.recovers.func1()",
            "G1   │ │ │ └ unwound (main.fails, N instructions)",
            "G1   │ │ └ unwound (main.fails, N instructions)",
            "G1   │ │ recovered by main.recovers: no more: 0",
            "G1   │ └ result=-1 (main.recovers, N instructions)",
            "G1   └ -1 (main.Recover, N instructions)",
            "",
        ]
    )
    assert captured.out.splitlines()[-1] == "-1"
    assert captured.out.startswith("the runtime starts: ")
    assert re.search(r"^[\d,]+ events, [\d,]+ instructions, [\d.]+µs of its time$", captured.err)


def test_a_call_in_one_line(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", plugin, "Add", "2", "-3", "--calls", "main.Add"]) == 0
    out = capfd.readouterr().out.splitlines()
    assert out[-2].endswith("G1   main.Add(a=2, b=-3) = -1")
    assert out[-1] == "-1"


def test_output_is_in_the_tree(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", plugin, "Print", "a\x1b[31mb", "--calls", "main.Print"]) == 0
    captured = capfd.readouterr()
    assert "│ stdout: a\\x1b[31mb" in captured.out
    assert "\x1b" not in captured.out + captured.err


def test_boot(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", plugin, "--syscalls", "--boot"]) == 0
    out = capfd.readouterr().out
    assert "rt_sigaction(SIGHUP, NULL, {SIG_DFL, [], 0}, 8) = 0" in out
    assert "the runtime starts" not in out
    assert main(["trace", plugin, "--inits"]) == 0
    assert "init main: main.init, main.init.0" in capfd.readouterr().out


def test_panic(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The tree, then what went wrong, and the exit code of a panic."""
    assert main(["trace", plugin, "Fail", "1", "--calls", "own"]) == main(
        ["call", plugin, "Fail", "1"]
    )
    captured = capfd.readouterr()
    assert "└ unwound (main.Fail" in captured.out
    assert "emuplugin: panic: no more: 0" in captured.err


def test_files(plugin: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, begins in (
        ("t.jsonl", b'{"kind":"trace"'),
        ("t.json", b"{"),
        ("t.svg", b"<"),
        ("t.lcov", b"TN:"),
        ("t.html", b"<!"),
    ):
        assert main(["trace", plugin, "Fib", "15", "-o", str(tmp_path / name)]) == 0, name
        assert (tmp_path / name).read_bytes().lstrip()[: len(begins)].lower() == begins.lower()
        captured = capfd.readouterr()
        assert captured.out == "610\n"
        assert f"saved in {tmp_path / name}" in captured.err
    assert main(["trace", plugin, "Fib", "14", "-o", str(tmp_path / "x"), "--format", "folded",
                 "--profile", "500", "--live", "--calls", "main.fib"]) == 0  # fmt: skip
    assert b"main.fib" in (tmp_path / "x").read_bytes()
    assert "main.fib(n=2)" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.nope"], "names no format"),
        (["--format", "svg"], "--format svg: must be one of"),
        (["--format", "flame"], "no --output FILE"),
        (["--isolate"], "cannot be traced"),
        (["--profile", "0"], "--profile"),
        (["--watch", "Missing"], "Missing"),
    ],
)
def test_what_cannot_be(
    arguments: list[str],
    message: str,
    plugin: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["trace", plugin, "Fib", "3", *arguments]) != 0
    captured = capfd.readouterr()
    assert message in captured.err
    assert "bug in emuplugin" not in captured.err
    assert not list(tmp_path.iterdir())


def test_unknown_function(plugin: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", plugin, "Fibb", "3"]) != 0
    assert "Fibb" in capfd.readouterr().err


@pytest.mark.skipif(shutil.which("tput") is None and os.name == "nt", reason="terminals of Unix")
@pytest.mark.parametrize("columns", [80, 50])
def test_terminal(columns: int, plugin: str) -> None:
    lines = _terminal("trace", plugin, "Mixed", columns=columns)
    # The last lines are an error message of Go's, which is not cut.
    tree = [line for line in lines if re.match(r"\s*[\d.]*\S* *(\x1b\[\d+m)*[GM]\d", line)]
    assert len(tree) > 5
    assert all(_columns(line) <= columns for line in tree)
    assert any("\x1b[36m" in line for line in tree)
    assert any("…" in line for line in tree)
    mixed = next(line for line in tree if "main.mixed" in line)
    assert " = 19" in _MARKS.sub("", mixed)  # the results are kept, not the arguments


def test_no_colour(plugin: str) -> None:
    lines = _terminal("trace", plugin, "Fib", "3", NO_COLOR="1")
    assert lines
    assert not any("\x1b" in line for line in lines)


def test_progress(plugin: str, tmp_path: Path) -> None:
    """A long trace into a file says how far it is."""
    lines = _terminal(
        "trace", plugin, "Fib", "17", "--calls", "own", "-o", str(tmp_path / "t.jsonl")
    )
    assert any(re.search(r"[\d,]+ events, [\d,]+ instructions\r?", line) for line in lines)
    assert "1597" in _MARKS.sub("", lines[-1])


def test_durations() -> None:
    assert [duration(n) for n in (0, 850, 93_100, 1_250_000, 12_500_000_000)] == [
        "0ns", "850ns", "93.1µs", "1.250ms", "12.500s",
    ]  # fmt: skip
