"""Arguments, environment, streams, randomness: what the sandbox says, and nothing of the host's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from emuplugin import GoError, Limits
from emuplugin.plugin import Plugin
from tests.runtime.conftest import Open, run


class Collector:
    """The least that can be a sink."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(data)


def test_arguments_and_environment(open_runtime: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMUPLUGIN_SECRET", "of the host")
    plugin = open_runtime(args=("prog", "häß", ""), env={"A": "1", "EMPTY": "", "U": "ü=\udcff"})
    assert run(plugin, "Args") == "prog\nhäß\n"
    assert run(plugin, "Environ") == 3
    assert run(plugin, "Getenv", "U") == "ü=\udcff"
    assert run(plugin, "LookupEnv", "EMPTY") == ("", True)
    assert run(plugin, "LookupEnv", "EMUPLUGIN_SECRET") == ("", False)
    assert run(plugin, "LookupEnv", "HOME") == ("", False)
    assert run(plugin, "Setenv", "NEW", "value") == "value"
    assert run(plugin, "Environ") == 4


def test_output_goes_where_python_prints(
    runtime: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # sys.stdout is asked for each time
        run(runtime, "Print", "häß\n")
        run(runtime, "PrintError", "error\n")
        run(runtime, "Println", "n", 3)
        assert capsys.readouterr() == ("häß\n", "error\nn 3 true\n")


def test_output_is_captured_below_python(
    runtime: Plugin, capfd: pytest.CaptureFixture[str]
) -> None:
    run(runtime, "Print", "text")
    assert capfd.readouterr().out == "text"


def test_output_to_files(open_runtime: Open, tmp_path: Path) -> None:
    text, binary, sink = io.StringIO(), io.BytesIO(), Collector()
    plugin = open_runtime(stdout=text, stderr=binary)
    run(plugin, "Print", "hä")
    run(plugin, "Print", "\udcff€\n")
    run(plugin, "PrintError", "\udcff€\n")
    assert text.getvalue() == "hä\ufffd€\n"
    assert binary.getvalue() == b"\xff\xe2\x82\xac\n"
    run(open_runtime(stdout=sink), "Print", "part")
    assert sink.parts == [b"part"]
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        plugin = open_runtime(stdout=file)
        file.write("before ")
        run(plugin, "Print", "within ")
        file.write("after")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "before within after"


def test_characters_that_arrive_in_parts(open_runtime: Open) -> None:
    text = io.StringIO()
    plugin = open_runtime(stdout=text)
    first, second = "€".encode()[:1], "€".encode()[1:]
    run(plugin, "Print", first.decode(errors="surrogateescape"))
    run(plugin, "Print", second.decode(errors="surrogateescape"))
    assert text.getvalue() == "€"


@pytest.mark.parametrize("text", [True, False])
def test_input(text: bool, open_runtime: Open) -> None:
    stream = io.StringIO("ä\nrest\n") if text else io.BytesIO("ä\nrest\n".encode())
    plugin = open_runtime(stdin=stream)
    assert run(plugin, "ReadLine") == "ä\n"
    assert run(plugin, "ReadLine") == "rest\n"
    with pytest.raises(GoError, match="EOF"):
        run(plugin, "ReadLine")


def test_a_large_input(open_runtime: Open) -> None:
    data = bytes(range(256)) * 4096
    plugin = open_runtime(stdin=io.BytesIO(data))
    text = run(plugin, "ReadAll")
    assert text.encode("utf-8", "surrogateescape") == data


def test_no_input(runtime: Plugin) -> None:
    assert run(runtime, "ReadAll") == ""


def test_the_hosts_files_are_not_there(runtime: Plugin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    for name in (str(tmp_path / "file"), "/etc/shadow", "/proc/1/environ", "/usr/bin/env", "file"):
        with pytest.raises(GoError) as caught:
            run(runtime, "ReadFile", name)
        assert caught.value.message == f"open {name}: no such file or directory"
        assert caught.value.type == "*fs.PathError"
    for name, reason in ((str(tmp_path / "new"), "no such file"), ("/new", "denied")):
        with pytest.raises(GoError, match=reason):
            run(runtime, "WriteFile", name, b"content")
    assert run(runtime, "WriteFile", "/tmp/new", b"content") is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert run(runtime, "ReadFile", "/dev/null") == b""
    assert run(runtime, "WriteFile", "/dev/null", b"content") is None


def test_an_identity_of_its_own(runtime: Plugin) -> None:
    assert run(runtime, "Hostname") == "emuplugin"
    assert run(runtime, "Getwd") == "/"
    assert run(runtime, "Target") == "linux/amd64"


def test_seeds(open_runtime: Open) -> None:
    def random_of(seed: int | None) -> tuple[object, ...]:
        plugin = open_runtime(seed=seed)
        numbers = [run(plugin, "MathRand", 1 << 40) for _ in range(3)]
        return run(plugin, "CryptoRand", 16), *numbers

    assert random_of(1) == random_of(1)
    assert random_of(1) != random_of(2)
    assert random_of(None) != random_of(None)
    assert len(set(random_of(3))) == 4


def test_seeded_generators_do_not_depend_on_it(open_runtime: Open) -> None:
    assert run(open_runtime(seed=None), "SeededRand", 4) == run(open_runtime(), "SeededRand", 4)


def test_runs_repeat(open_runtime: Open) -> None:
    """With the same seed everything that a plugin can see of time and chance is the same."""

    def observe() -> list[object]:
        out = io.BytesIO()
        plugin = open_runtime(seed=7, stdout=out, stderr=out)
        calls: list[tuple[str, tuple[object, ...]]] = [
            ("Now", ()), ("CryptoRand", (8,)), ("MathRand", (1000,)), ("Select", (5,)),
            ("Print", ("x",)), ("HeapAlloc", ()), ("MapOrder", ()), ("NumGoroutine", ()),
            ("Elapsed", (10**6,)), ("Now", ()),
        ]  # fmt: skip
        return [run(plugin, name, *arguments) for name, arguments in calls] + [out.getvalue()]

    assert observe() == observe()


def test_map_iteration_varies(runtime: Plugin) -> None:
    assert run(runtime, "MapOrder") is True


def test_open_files_are_limited(open_runtime: Open) -> None:
    plugin = open_runtime(limits=Limits(open_files=3))
    with pytest.raises(GoError, match="too many open files"):
        run(plugin, "ReadFile", "/dev/null")
    assert plugin.machine.state == "running"


def test_gctrace(open_runtime: Open) -> None:
    err = io.BytesIO()
    plugin = open_runtime(env={"GODEBUG": "gctrace=1"}, stderr=err)
    assert run(plugin, "GC", 2) == 2
    numbers = [int(line.split()[1]) for line in err.getvalue().splitlines() if line[:3] == b"gc "]
    assert numbers == list(range(1, len(numbers) + 1))
    assert err.getvalue().count(b"(forced)") >= 2
