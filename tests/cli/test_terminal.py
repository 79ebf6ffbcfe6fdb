"""What a terminal of 80 columns shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, environment

if sys.platform == "win32":
    pytest.skip("needs pseudo-terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def run_in_terminal(*arguments: str, cwd: Path, no_color: bool = False) -> str:
    """All that a terminal of 24 lines and 80 columns gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = environment({"TERM": "xterm-256color"})
    for name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR", "CI"):
        env.pop(name, None)
    if no_color:
        env["NO_COLOR"] = "1"
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        output = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            output += part
        os.close(ours)
    assert process.returncode in (0, 5)
    return output.decode()


@pytest.mark.parametrize("plugin", ["hello.so", "calc.so", "geo.so"])
def test_info_fits(plugins: Path, plugin: str) -> None:
    output = run_in_terminal("info", plugin, cwd=plugins)
    assert _STYLE.search(output)
    lines = _STYLE.sub("", output).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert not any(line.endswith(" ") for line in lines)


def test_no_color(plugins: Path) -> None:
    assert "\x1b" not in run_in_terminal("info", "hello.so", cwd=plugins, no_color=True)
    arguments = "call", "runtime.so", "Panic", "string"
    assert "\x1b" not in run_in_terminal(*arguments, cwd=plugins, no_color=True)
    assert "\x1b[31m" in run_in_terminal(*arguments, cwd=plugins)


@pytest.mark.parametrize("command", [[], ["demo"], ["build"], ["info"], ["call"], ["get"], ["set"]])
def test_help_fits(plugins: Path, command: list[str]) -> None:
    output = run_in_terminal(*command, "--help", cwd=plugins)
    assert max(len(line) for line in output.splitlines()) <= 80


def test_demo_fits(plugins: Path) -> None:
    output = run_in_terminal("demo", cwd=plugins)
    shown = _STYLE.sub("", output).replace("\r\n", "\n")
    assert "\nHello, number 7\n" in shown
    lines = [line.rpartition("\r")[2] for line in shown.split("\n")]
    assert max(len(line.rstrip()) for line in lines) <= 80
