"""Sandboxes from TOML and JSON: everything can be said, and nothing is overlooked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emuplugin import ConfigurationError, Limits, Mount, Network, Sandbox
from emuplugin.units import count, duration, size

TOML = """
preset = "strict"
args = ["plugin", "-v"]
clock = "virtual"
epoch = 2026-01-02T00:00:00Z
seed = 7
cpus = 2
accelerators = false

[env]
LANG = "C"

[limits]
memory = "256MiB"
seconds = "500ms"
output = "unlimited"
instructions = "2e9"
threads = 40

[mounts]
"/data" = "corpus"
"/out" = { path = ".", mode = "overlay" }

[files]
"/etc/app.conf" = "text"
"/bin/x" = { base64 = "AAH/" }
"/copy" = { path = "corpus/a" }

[network]
connect = ["example.org:443"]
listen = ["127.0.0.1:0"]
[network.resolve]
db = "127.0.0.1"
both = ["10.0.0.1", "::1"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a").write_bytes(b"\x00content")
    return tmp_path


def expected(folder: Path) -> Sandbox:
    return Sandbox.strict(
        args=("plugin", "-v"),
        epoch=1767312000.0,
        seed=7,
        cpus=2,
        accelerators=False,
        env={"LANG": "C"},
        limits=Limits(
            memory=256 << 20,
            seconds=0.5,
            output=None,
            instructions=2_000_000_000,
            threads=40,
            # the rest is the preset's
            file_bytes=16 << 20,
            open_files=64,
            goroutines=1000,
        ),
        mounts={"/data": Mount(folder / "corpus"), "/out": Mount(folder, "overlay")},
        files={"/etc/app.conf": "text", "/bin/x": b"\x00\x01\xff", "/copy": b"\x00content"},
        network=Network(
            connect=("example.org:443",),
            listen=("127.0.0.1:0",),
            resolve={"db": "127.0.0.1", "both": ("10.0.0.1", "::1")},
        ),
    )


def test_toml(folder: Path) -> None:
    (folder / "box.toml").write_text(TOML)
    assert Sandbox.load(folder / "box.toml") == expected(folder)
    assert Sandbox.from_toml(TOML, folder=folder) == expected(folder)
    assert Sandbox.load(folder / "box.toml", seed=8).seed == 8


def test_json(folder: Path) -> None:
    document = {
        "preset": "trusted",
        "seed": None,
        "epoch": "2026-01-02T00:00:00Z",
        "limits": {"seconds": None, "output": 10, "memory": 1 << 27},
        "mounts": {"/data": {"path": "corpus"}},
    }
    (folder / "box.json").write_text(json.dumps(document))
    box = Sandbox.load(folder / "box.json")
    assert (box.seed, box.clock, box.epoch) == (None, "host", 1767312000.0)
    assert (box.limits.seconds, box.limits.output, box.limits.memory) == (None, 10, 1 << 27)
    assert box.mounts == {"/data": Mount(folder / "corpus")}
    assert Sandbox.from_json("{}") == Sandbox()


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("limit = 1", "limit", "did you mean limits?"),
        ("[limits]\nmemry = 1", "limits.memry", "did you mean memory?"),
        ("[limits]\nxyz = 1", "limits.xyz", "there are memory, seconds, instructions"),
        ("[limits]\nmemory = 'much'", "limits.memory", "write one like 256MiB"),
        ("[limits]\nseconds = '5 weeks'", "limits.seconds", "write one like 5s"),
        ("[limits]\nthreads = 'many'", "limits.threads", "write one like 1000"),
        ("[limits]\nmemory = -1", "limits.memory", "must be greater than 0"),
        ("[limits]\nmemory = 'unlimited'", "limits.memory", "no machine without it"),
        ("[limits]\noutput = true", "limits.output", "must be a whole number"),
        ("limits = 5", "limits", "must be a table"),
        ("preset = 'lax'", "preset", "none of strict, default, trusted"),
        ("stdin = 'x'", "stdin", "only Python can give"),
        ("clock = 'moon'", "", "must be 'virtual' or 'host'"),
        ("epoch = 'tomorrow'", "epoch", "write one like 2026-01-01T00:00:00Z"),
        ("epoch = true", "epoch", "or a date and time"),
        ("seed = 'x'", "seed", '"host" for the host'),
        ("cpus = 1.5", "cpus", "must be a whole number"),
        ("accelerators = 1", "accelerators", "must be true or false"),
        ("args = 'x'", "args", "must be a list of texts"),
        ("[env]\nA = 1", "env.A", "must be a text in quotes"),
        ("[mounts]\n'/d' = 'nowhere'", 'mounts."/d"', "does not exist"),
        ("[mounts]\n'/d' = {path='.', made='x'}", 'mounts."/d".made', "did you mean mode?"),
        ("[mounts]\n'/d' = {mode='read'}", 'mounts."/d"', "must be a folder, or"),
        ("[mounts]\n'd' = '.'", "", "must be an absolute path"),
        ("[files]\n'/a' = {path='nowhere'}", 'files."/a"', "cannot be read"),
        ("[files]\n'/a' = {base64='?'}", 'files."/a"', "is not base64"),
        ("[files]\n'/a' = {}", 'files."/a"', "must be a text"),
        ("[network]\nconnect = ['x']", "network", "is not of the form HOST:PORT"),
        ("[network]\nconnect = 'x:1'", "network.connect", "must be a list of texts"),
        ("[network]\nhandler = 'x'", "network.handler", "only Python can give"),
        ("[", "", "is not TOML"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, key: str, words: str, folder: Path) -> None:
    (folder / "box.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Sandbox.load(folder / "box.toml")
    assert caught.value.key == key
    assert words in caught.value.reason
    assert str(caught.value).startswith(f"{folder / 'box.toml'}: ")


def test_json_that_is_none_or_ambiguous() -> None:
    with pytest.raises(ConfigurationError, match="is not JSON"):
        Sandbox.from_json("{")
    with pytest.raises(ConfigurationError, match="seed: is there twice"):
        Sandbox.from_json('{"seed": 1, "seed": 2}')
    with pytest.raises(ConfigurationError, match="must be a table"):
        Sandbox.from_json("[]")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Sandbox.load(tmp_path / "nothing.toml")
    with pytest.raises(ConfigurationError, match=r"ends in \.toml or \.json"):
        Sandbox.load(tmp_path / "box.yaml")
    (tmp_path / "box.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        Sandbox.load(tmp_path / "box.toml")


def test_quantities() -> None:
    assert [size(text) for text in ("1", "2B", "1kB", "1KiB", "1.5K", "256 MiB", "2G")] == [
        1, 2, 1000, 1024, 1536, 256 << 20, 2 << 30,
    ]  # fmt: skip
    assert [duration(text) for text in ("5", "0.5", "1.5s", "250ms", "2min", "1h")] == [
        5.0, 0.5, 1.5, 0.25, 120.0, 3600.0,
    ]  # fmt: skip
    assert [count(text) for text in ("7", "1_000", "100k", "2e9", "1.5M")] == [
        7, 1000, 100_000, 2_000_000_000, 1_500_000,
    ]  # fmt: skip
    assert count("9007199254740993") == 9007199254740993  # more than a float holds
    for parse, text in (
        (size, "-1"),
        (size, "1 XB"),
        (count, "0.5"),
        (duration, ""),
        (count, "e9"),
    ):
        with pytest.raises(ValueError, match=r"is not"):
            parse(text)
