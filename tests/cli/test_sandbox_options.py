"""The options that make a sandbox."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from emuplugin import Limits, Mount, Network, Sandbox
from emuplugin.cli.exit_codes import ExitCode
from emuplugin.cli.sandbox_options import SandboxCommand, SandboxOptions, sandbox_options
from tests.cli.conftest import Cli

made: list[Sandbox] = []


@click.command(cls=SandboxCommand)
@sandbox_options
def command(**options: object) -> None:
    made.append(SandboxOptions(**options).sandbox(None, None))  # type: ignore[arg-type]


def sandbox(*arguments: str) -> Sandbox:
    """The sandbox that options make."""
    made.clear()
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (box,) = made
    return box


def refusal(*arguments: str) -> str:
    """What is said to options that cannot be."""
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    return result.output


def test_no_options() -> None:
    assert sandbox() == Sandbox()


def test_presets() -> None:
    assert sandbox("--preset", "strict") == Sandbox.strict()
    assert sandbox("--preset", "trusted") == Sandbox.trusted()
    assert "'lax'" in refusal("--preset", "lax")


def test_every_limit() -> None:
    box = sandbox(
        *(
            "--seconds",
            "250ms",
            "--instructions",
            "2e9",
            "--memory",
            "64MiB",
            "--output-bytes",
            "10kB",
        ),
        *("--file-bytes", "1G", "--open-files", "30", "--goroutines", "1k", "--threads", "20"),
    )
    assert box.limits == Limits(
        seconds=0.25, instructions=2_000_000_000, memory=64 << 20, output=10_000,
        file_bytes=1 << 30, open_files=30, goroutines=1000, threads=20,
    )  # fmt: skip


def test_unlimited() -> None:
    box = sandbox("--preset", "strict", "--seconds", "unlimited", "--goroutines", "unlimited")
    assert (box.limits.seconds, box.limits.goroutines) == (None, None)
    assert box.limits.memory == Sandbox.strict().limits.memory
    for option in ("--memory", "--open-files", "--threads"):
        assert "there is no machine without this limit" in refusal(option, "unlimited")


def test_grants(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x00content")
    box = sandbox(
        *("--env", "A=b=c", "--arg", "-v", "--arg", "x", "--cpus", "2", "--clock", "host"),
        "--no-accelerators",
        *("--mount", f"{tmp_path}:/data", "--mount", f"{tmp_path}:/out:overlay"),
        *("--file", f"{tmp_path / 'a'}:/etc/a", "--seed", "host"),
        *("--network", "connect=example.org:443", "--network", "listen=127.0.0.1:0"),
        *("--network", "resolve=db=10.0.0.1"),
    )
    assert box == Sandbox(
        env={"A": "b=c"},
        args=("plugin", "-v", "x"),
        cpus=2,
        accelerators=False,
        clock="host",
        seed=None,
        mounts={"/data": Mount(tmp_path), "/out": Mount(tmp_path, "overlay")},
        files={"/etc/a": b"\x00content"},
        network=Network(
            connect=("example.org:443",), listen=("127.0.0.1:0",), resolve={"db": "10.0.0.1"}
        ),
    )


def test_a_sandbox_file_and_changes_to_it(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(
        'preset = "strict"\nargs = ["own"]\n[env]\nA = "1"\nB = "2"\n[limits]\nseconds = 9\n'
        '[mounts]\n"/a" = "."\n[network]\nconnect = ["a.org:1"]\n'
    )
    path = str(tmp_path / "box.toml")
    box = sandbox(
        *("--sandbox", path, "--env", "B=3", "--memory", "1GiB", "--mount", f"{tmp_path}:/b"),
        *("--network", "connect=b.org:2"),
    )
    assert (box.args, box.env) == (("own",), {"A": "1", "B": "3"})
    assert (box.limits.seconds, box.limits.memory, box.limits.goroutines) == (9, 1 << 30, 1000)
    assert sorted(box.mounts) == ["/a", "/b"]
    assert box.network.connect == ("a.org:1", "b.org:2")
    assert "exclude each other" in refusal("--sandbox", path, "--preset", "strict")
    assert "nothing.toml: cannot be read" in refusal("--sandbox", "nothing.toml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--memory", "lots"], "write one like 256MiB"),
        (["--memory", "0"], "must be greater than 0"),
        (["--seconds", "5 weeks"], "write one like 5s"),
        (["--mount", "corpus"], "write one like corpus:/data"),
        (["--mount", ".:/a:rw"], "there is no mode rw; there are read, write, overlay"),
        (["--mount", "nowhere:/a"], "nowhere does not exist"),
        (["--mount", ".:/proc"], "belongs to the emulated kernel"),
        (["--file", "x"], "write one like app.toml:/etc/app.toml"),
        (["--file", "nowhere:/x"], "nowhere cannot be read"),
        (["--network", "example.org:443"], "write connect=HOST:PORT"),
        (["--network", "resolve=db"], "or resolve=NAME=ADDRESS"),
        (["--network", "connect=x"], "is not of the form HOST:PORT"),
        (["--seed", "-1"], "is not a number from 0 up, nor 'host'"),
        (["--cpus", "65"], "between 1 and 64"),
        (["--clock", "moon"], "'moon'"),
        (["--env", "A"], "NAME=VALUE"),
    ],
)
def test_what_cannot_be_meant(arguments: list[str], words: str) -> None:
    output = " ".join(refusal(*arguments).split())  # click breaks lines
    assert words in output


def test_windows_paths() -> None:
    from emuplugin.cli.quantities import mount

    assert mount(r"C:\data:/data") == (r"C:\data", "/data", "read")
    assert mount("C:/data:/data:write") == ("C:/data", "/data", "write")


def test_help_lists_them_apart() -> None:
    text = CliRunner().invoke(command, ["--help"], terminal_width=80).output
    assert text.index("Options:") < text.index("What the plugin finds:")
    assert text.index("--mount") < text.index("What it may use up") < text.index("--memory")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_limit_names_its_option(cli: Cli) -> None:
    done = cli("call", "runtime.so", "Leak", "100000", "--goroutines", "100")
    assert done.code == ExitCode.LIMIT
    assert "here the option is --goroutines" in done.stderr
    done = cli("call", "runtime.so", "Print", "text", "--output-bytes", "2")
    assert done.code == ExitCode.LIMIT
    assert "here the option is --output-bytes" in done.stderr
