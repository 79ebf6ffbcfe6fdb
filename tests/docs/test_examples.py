"""Every example of the README and of ``docs/`` does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.cache.opening import SWITCH

from .blocks import PAGES, Block, ExampleError, read_blocks, run_page, same

#: Pages that have examples; one that loses them all should be noticed.
WITH_EXAMPLES = {
    "README.md", "api.md", "callbacks.md", "cli.md", "errors.md", "explain.md", "how-it-works.md",
    "inspect.md", "security.md", "snapshots.md", "trace.md", "trace-formats.md", "tutorial.md",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SWITCH, str(tmp_path / ".cache"))
    count = run_page(read_blocks(page.read_text(encoding="utf-8")), tmp_path)
    assert (count > 0) == (page.name in WITH_EXAMPLES)


def test_blocks_are_found() -> None:
    page = "a\n```go x.go\npackage main\n```\n\n```text\n$ no\n```\nb\n```python\n1\n```\n"
    assert read_blocks(page) == [
        Block("go", "x.go", "package main\n", 3, False),
        Block("text", "", "$ no\n", 7, True),
        Block("python", "", "1\n", 11, False),
    ]


@pytest.mark.parametrize(
    "block",
    [
        Block("pycon", "", ">>> 1 + 1\n3\n", 1, False),
        Block("console", "", "$ emuplugin --version\nemuplugin 0.0\n", 1, False),
        Block("console", "", "$ emuplugin call nothing.so F\n...\n$ echo $?\n0\n", 1, False),
        Block("console", "", "$ ls\n", 1, False),
    ],
)
def test_a_wrong_example_is_noticed(block: Block, tmp_path: Path) -> None:
    with pytest.raises(ExampleError):
        run_page([block], tmp_path)


def test_a_wrong_program_is_noticed(tmp_path: Path) -> None:
    program = Block("python", "", "print(1)\n", 1, False)
    run_page([program, Block("text", "", "1\n", 5, True)], tmp_path)
    run_page([program, Block("text", "", "2\n", 5, False)], tmp_path)
    with pytest.raises(ExampleError):
        run_page([program, Block("text", "", "2\n", 5, True)], tmp_path)


def test_sizes_and_times_may_differ() -> None:
    assert same("x.so: 1,234 bytes, 0.5 s\n", "x.so: 99 bytes, 12.25 s\n")
    assert not same("1,234 errors\n", "99 errors\n")
