"""What notebooks show of plugins, traces, reports and stories."""

from __future__ import annotations

from html import unescape

from emuplugin import Machine
from emuplugin.explaining import Explanation
from tests.support.plugins import plugin_path

from .conftest import Tell
from .test_page import Document


def test_a_plugin(go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("explained", go_version))
        shown = plugin._repr_html_()
        document = Document(shown)
        assert document.wrong == []
        assert "Divide" in document.text
        assert "func(int, int) (int, error)" in document.text
        assert "&lt;/script&gt;" in shown
        assert document.tags["script"] == 0
        assert document.tags["tr"] == 1 + len(plugin.exports)
    closed = Document(plugin._repr_html_())
    assert closed.wrong == []
    assert "the plugin's machine was closed" in closed.text or "Divide" in closed.text


def test_a_trace(go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("explained", go_version))
        with machine.trace(syscalls=True, output=True, panics=True) as trace:
            plugin.lookup("Say")("<b>bold</b>")
        document = Document(trace._repr_html_())
        assert document.wrong == []
        assert document.tags["b"] == 0
        assert "<b>bold</b>" in document.text
        assert f"{len(trace)} events" in document.text
        with machine.trace(syscalls=True) as nothing:
            plugin.lookup("Sum")(3)
        assert "0 events" in nothing._repr_html_()


def test_a_report(go_version: str) -> None:
    with Machine() as machine:
        plugin = machine.open(plugin_path("explained", go_version))
        plugin.lookup("Say")("x")
        document = Document(machine.report._repr_html_())
        assert document.wrong == []
        assert "write 2" in document.text
        assert f"{machine.instructions:,}" in document.text
        assert "\\n" not in document.text
        assert document.tags["tr"] >= 8


def test_a_story(told: Tell, go_version: str) -> None:
    story: Explanation = told("explained", go_version, "Sum", 5)
    shown = story._repr_html_()
    document = Document(shown)
    assert document.tags["iframe"] == 1
    assert 'sandbox="allow-scripts"' in shown
    assert unescape(shown.partition('srcdoc="')[2].rpartition('"')[0]) == story.html
