"""Sandbox, Limits, Mount and Network refuse what cannot be meant, in words that help."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emuplugin import Limits, Mount, Network, Sandbox
from emuplugin.presets import PRESETS


def test_nothing_is_granted_by_default() -> None:
    box = Sandbox()
    assert (box.env, box.mounts, box.files, box.stdin) == ({}, {}, {}, None)
    assert box.network == Network()
    assert (box.network.connect, box.network.listen, box.network.handler) == ((), (), None)
    assert (box.clock, box.seed) == ("virtual", 0)
    assert None not in (box.limits.seconds, box.limits.output, box.limits.file_bytes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Limits(memory=0), "Limits(memory=0): must be greater than 0"),
        (lambda: Limits(seconds=-1), "Limits(seconds=-1): must be greater than 0"),
        (lambda: Limits(seconds=float("nan")), "greater than 0"),
        (lambda: Limits(output="1MiB"), "must be a whole number of bytes, such as 1 << 20"),  # type: ignore[arg-type]
        (lambda: Limits(goroutines=1.5), "must be a whole number"),  # type: ignore[arg-type]
        (lambda: Limits(threads=True), "must be a whole number"),
        (lambda: Limits(memory=None), "there is no machine without it"),  # type: ignore[arg-type]
        (lambda: Limits(open_files=None), "there is no machine without it"),  # type: ignore[arg-type]
        (lambda: Sandbox(cpus=0), "between 1 and 64"),
        (lambda: Sandbox(args="-v"), "must be a list of strings"),  # type: ignore[arg-type]
        (lambda: Sandbox(env={"A=B": ""}), "cannot be an environment variable"),
        (lambda: Sandbox(clock="real"), "must be 'virtual' or 'host'"),  # type: ignore[arg-type]
        (lambda: Sandbox(limits={"memory": 1}), "must be a Limits(...)"),  # type: ignore[arg-type]
        (lambda: Sandbox(network="*:*"), "must be a Network(...)"),  # type: ignore[arg-type]
        (lambda: Sandbox(mounts={"data": Mount(".")}), "must be an absolute path of the guest"),
        (lambda: Sandbox(mounts={"/a/../b": Mount(".")}), "must not have '..' in it"),
        (lambda: Sandbox(mounts={"/proc/x": Mount(".")}), "belongs to the emulated kernel"),
        (lambda: Sandbox(mounts={"/a": Mount("."), "/a/": Mount(".")}), "is there twice"),
        (lambda: Sandbox(mounts={"/a": "."}), "must have a value of Mount(...)"),  # type: ignore[dict-item]
        (lambda: Sandbox(files={"/a/": b""}), "is a folder; name a file"),
        (lambda: Sandbox(files={"/a": 1}), "must have a value of bytes or str"),  # type: ignore[dict-item]
        (
            lambda: Sandbox(mounts={"/a": Mount(".")}, files={"/a/b": b""}),
            "lies in the mount /a; put the file into",
        ),
        (lambda: Mount(""), "must name a folder"),
        (lambda: Mount("nowhere"), "nowhere does not exist"),
        (lambda: Mount(__file__), "is not a folder"),
        (lambda: Mount(".", mode="rw"), "must be 'read', 'write' or 'overlay'"),  # type: ignore[arg-type]
        (lambda: Network(connect=["example.org"]), "Network(connect=...): 'example.org' is not of"),  # type: ignore[arg-type]
        (lambda: Network(listen=("127.0.0.1:65536",)), "there is no port 65536"),
        (lambda: Network(resolve={"a": "b"}), "'b' for 'a' is no address"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


def test_paths_have_one_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    box = Sandbox(mounts={"//data//x/": Mount(".")}, files={"/etc//a": "b"})
    monkeypatch.chdir(tmp_path.parent)
    assert box.mounts == {"/data/x": Mount(tmp_path)}
    assert box.mounts["/data/x"].path == str(tmp_path)
    assert box.files == {"/etc/a": "b"}


def test_later_changes_do_not_reach_a_sandbox() -> None:
    env = {"A": "1"}
    box = Sandbox(env=env)
    env["A"] = "2"
    assert box.env == {"A": "1"}


def test_a_sandbox_can_be_sent_to_another_process(tmp_path: Path) -> None:
    box = Sandbox.strict(
        mounts={"/data": Mount(tmp_path, "overlay")}, network=Network(connect=("a.org:443",))
    )
    assert pickle.loads(pickle.dumps(box)) == box


# --- presets --------------------------------------------------------------------------------


def test_presets() -> None:
    assert Sandbox.default() == Sandbox()
    strict, trusted = Sandbox.strict(), Sandbox.trusted()
    assert (trusted.clock, trusted.seed) == ("host", None)
    assert (strict.clock, strict.seed) == ("virtual", 0)


def test_no_preset_opens_anything_of_the_host() -> None:
    for name in PRESETS:
        box: Sandbox = getattr(Sandbox, name)()
        assert (box.env, box.mounts, box.files, box.network) == ({}, {}, {}, Network())


def test_strict_is_below_default_is_below_trusted() -> None:
    infinite = float("inf")
    for name in Limits.__dataclass_fields__:
        sizes = [
            infinite if value is None else value
            for value in (
                getattr(box.limits, name)
                for box in (Sandbox.strict(), Sandbox.default(), Sandbox.trusted())
            )
        ]
        assert sizes == sorted(sizes), name
        assert sizes[0] < sizes[2], name
        assert sizes[0] < infinite, name


def test_changes_win_over_the_preset() -> None:
    box = Sandbox.strict(env={"A": "b"}, limits=Limits(seconds=1))
    assert (box.env, box.limits) == ({"A": "b"}, Limits(seconds=1))
    with pytest.raises(TypeError, match="colour"):
        Sandbox.strict(colour="red")
