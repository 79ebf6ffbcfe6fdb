"""The fenced blocks of a Markdown page, and how the ones that are examples are run.

What a block is stands in its info string, the words behind the opening fence:

* ``go NAME``: a Go source; it is written to the file NAME;
* ``console``: command lines of ``emuplugin`` after ``$``, each followed by what it prints;
  ``echo $?`` prints the exit code of the one before;
* ``pycon``: a Python session, as for :mod:`doctest`; the sessions of a page share their variables;
* ``python``: a program; a block ``text`` right behind it is what it prints.

All blocks of a page run in one folder. Other blocks are text.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.M | re.S
)
# Sizes and times differ from run to run and from toolchain to toolchain.
_MEASURED = re.compile(r"\b[\d,]+(\.\d+)?(?= (bytes|ms|s)\b)")
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """``kind`` is the first word of the info string, ``name`` the second, if there is one.
    ``line`` is where its text starts; ``follows`` tells whether only blank lines lie between it
    and the block before."""

    kind: str
    name: str
    text: str
    line: int
    follows: bool


class ExampleError(AssertionError):
    """An example that does not do what the page says."""


def read_blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    blocks: list[Block] = []
    end = 0
    for match in _FENCE.finditer(page):
        kind, _, name = match["info"].strip().partition(" ")
        line = page.count("\n", 0, match.start("text")) + 1
        follows = bool(blocks) and not page[end : match.start()].strip()
        blocks.append(Block(kind, name, match["text"], line, follows))
        end = match.end()
    return blocks


def run_page(blocks: list[Block], folder: Path) -> int:
    """Run the examples of a page in ``folder``, which must be the working folder too; return how
    many there were. Raises :class:`ExampleError` for the first that fails."""
    session: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for index, block in enumerate(blocks):
        if block.kind == "go" and block.name:
            (folder / block.name).write_text(block.text, encoding="utf-8")
        elif block.kind == "console":
            _run_console(block, folder)
        elif block.kind == "pycon":
            _run_session(block, session)
        elif block.kind == "python":
            following = blocks[index + 1 : index + 2]
            told = following and following[0].follows and following[0].kind == "text"
            _run_program(block, following[0].text if told else None)
        else:
            continue
        count += 1
    return count


def same(expected: str, got: str) -> bool:
    """Whether output is as the page says; ``...`` is anything, and sizes and times may differ."""
    checker = doctest.OutputChecker()
    return checker.check_output(_MEASURED.sub("0", expected), _MEASURED.sub("0", got), _OPTIONS)


def _compare(block: Block, what: str, expected: str, got: str) -> None:
    if not same(expected, got):
        raise ExampleError(f"line {block.line}: {what}\nexpected:\n{expected}\ngot:\n{got}")


def _run_console(block: Block, folder: Path) -> None:
    code = 0
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        program, *arguments = shlex.split(command)
        if (program, arguments) == ("echo", ["$?"]):
            _compare(block, command, expected, f"{code}\n")
            continue
        if program != "emuplugin":
            raise ExampleError(f"line {block.line}: {command}: only emuplugin can be run here")
        result = subprocess.run(
            [sys.executable, "-P", "-m", "emuplugin", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        code = result.returncode
        # A terminal would show progress in place, and then wipe it away.
        lines = [line for line in result.stdout.splitlines(True) if not line.endswith(" ...\n")]
        _compare(block, command, expected, "".join(lines))


def _run_session(block: Block, session: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, session, "page", None, block.line)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=_OPTIONS, verbose=False)
    # clear_globs=False: the next session of the page goes on with these variables.
    failures, _ = runner.run(test, out=report.write, clear_globs=False)
    session.update(test.globs)
    if failures:
        raise ExampleError(f"line {block.line}:\n{report.getvalue()}")


def _run_program(block: Block, expected: str | None) -> None:
    output = io.StringIO()
    code = compile(block.text, f"<the page, line {block.line}>", "exec")
    with contextlib.redirect_stdout(output):
        exec(code, {"__name__": "__main__"})
    if expected is not None:
        _compare(block, "the program", expected, output.getvalue())
