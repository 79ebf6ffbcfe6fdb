"""The page in a real browser: the slider, keys and links move what is shown; nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.explaining import Explanation

from .browser import Browser
from .conftest import Tell, stepper

LEFT, RIGHT, HOME, END = "\ue012", "\ue014", "\ue011", "\ue010"


@pytest.fixture
def story(told: Tell, go_version: str) -> Explanation:
    return told("explained", go_version, "Say", "x")


@pytest.fixture
def page(story: Explanation, tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    story.save(path)
    return path


def registers(browser: Browser) -> dict[str, int]:
    """The registers that are shown."""
    shown = browser.run(
        "return [...document.querySelectorAll('.registers tr')].filter(row => !row.hidden)"
        ".map(row => [row.cells[0].textContent, row.cells[1].querySelector('code').textContent])"
    )
    return {name: int(value, 16) for name, value in shown}


def expected(story: Explanation, step: int) -> dict[str, int]:
    shown = stepper(story)
    values = dict(shown.registers)
    for each in shown.steps[: step + 1]:
        values.update(each.changed)
    return values


def move(browser: Browser, step: int) -> None:
    """Drag the slider."""
    browser.run(
        "const slider = document.getElementById('slider'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input', { bubbles: true }));",
        step,
    )


def test_the_slider(browser: Browser, story: Explanation, page: Path) -> None:
    browser.open(page)
    shown = stepper(story)
    last = len(shown.steps) - 1
    assert registers(browser) == expected(story, 0)
    for step in (1, last // 2, last, 3):
        move(browser, step)
        assert registers(browser) == expected(story, step)
        line = shown.code[shown.steps[step].code]
        assert f"Step {step + 1} of {last + 1}: {line.text}" in browser.text("#status")
        assert browser.text("tr[aria-current=step] td:nth-child(2) code") == line.text
        lit = browser.run(
            "return [...document.querySelectorAll('.source tr.here')].map(row => row.id)"
        )
        assert lit == [f"s{place}" for place in sorted(line.places)]
        changed = browser.run(
            "return [...document.querySelectorAll('.registers tr.changed')]"
            ".map(row => row.cells[0].textContent)"
        )
        assert set(changed) == {name for name, _ in shown.steps[step].changed}
        assert browser.run(  # and it can be seen
            "const row = document.querySelector('tr[aria-current=step]').getBoundingClientRect();"
            "const view = document.querySelector('.code .view').getBoundingClientRect();"
            "return row.top >= view.top && row.bottom <= view.bottom;"
        )
    assert browser.errors == []
    assert browser.requests == [page.as_uri()]


def test_buttons_and_keys(browser: Browser, story: Explanation, page: Path) -> None:
    browser.open(page)
    last = len(stepper(story).steps)

    def step() -> int:
        return int(browser.text("#status").split("Step ")[-1].split(" of ")[0])

    browser.run("document.getElementById('steps').scrollIntoView()")
    assert browser.count("[data-go=back]:disabled") == 1
    browser.click("[data-go=next]")
    browser.click("[data-go=next]")
    assert step() == 3
    browser.click("[data-go=back]")
    assert step() == 2
    browser.press(RIGHT)
    assert step() == 3
    browser.press(LEFT)
    assert step() == 2
    browser.press(END)
    assert step() == last
    assert browser.count("[data-go=next]:disabled") == 1
    browser.press(HOME)
    assert step() == 1
    # The slider itself answers keys in the browser's own way.
    browser.run("document.getElementById('slider').focus()")
    browser.press(RIGHT)
    assert step() == 2
    # Where the steps cannot be seen the keys are the page's.
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")
    browser.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
    browser.press(RIGHT)
    assert step() == 2
    assert browser.errors == []


def test_source_and_code_are_linked(browser: Browser, story: Explanation, page: Path) -> None:
    browser.open(page)
    shown = stepper(story)
    number = next(i for i, line in enumerate(shown.code) if line.text.startswith("call"))
    browser.run("document.getElementById(arguments[0]).scrollIntoView()", f"c{number}")
    browser.hover(f"#c{number}")
    near = browser.run("return [...document.querySelectorAll('.near')].map(row => row.id)")
    assert set(near) == {f"c{number}", *(f"s{place}" for place in shown.code[number].places)}
    place = shown.code[number].places[-1]
    browser.hover(f"#s{place}")
    near = browser.run("return [...document.querySelectorAll('.near')].map(row => row.id)")
    partners = {f"c{i}" for i, line in enumerate(shown.code) if place in line.places}
    assert set(near) == {f"s{place}", *partners}
    browser.click(f"#c{number}")
    assert browser.text("tr[aria-current=step] td:nth-child(2) code") == shown.code[number].text


def test_playing(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("[data-go=play]")
    assert browser.text("[data-go=play]") == "Pause"
    browser.driver.set_script_timeout(20)
    browser.driver.execute_async_script(
        "const done = arguments[0]; const look = setInterval(() => {"
        "if (Number(document.getElementById('slider').value) >= 2) { clearInterval(look); done(); }"
        "}, 20)"
    )
    browser.click("[data-go=play]")
    assert browser.text("[data-go=play]") == "Play"
    assert browser.errors == []


def test_without_scripts(browser: Browser, story: Explanation, page: Path) -> None:
    browser.open(page, scripts=False)
    try:
        text = browser.text("main")
        assert "The Go runtime boots" in text
        assert f"All steps as a table ({len(stepper(story).steps)})" in text
        assert "at the entry" in text
        assert not browser.driver.find_element("css selector", ".controls").is_displayed()
        table = browser.driver.find_element("css selector", ".all-steps table")
        assert table.is_displayed()
        assert stepper(story).code[0].text in table.text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_it_is_never_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, (width, 900))
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_printing(browser: Browser, page: Path) -> None:
    browser.open(page)
    folded = browser.count("details:not([open])")
    document = browser.printed()
    assert document.startswith(b"%PDF")
    assert folded > 5
    assert browser.count("details:not([open])") == folded  # as it was before


def test_dark(browser: Browser, page: Path) -> None:
    browser.open(page)
    command = browser.driver.execute_cdp_cmd
    seen = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        command("Emulation.setEmulatedMedia", media)
        seen.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    command("Emulation.setEmulatedMedia", {"features": []})
    assert seen[0] == "rgb(255, 255, 255)"
    assert sum(int(part) for part in seen[1][4:-1].split(",")) < 120


def test_in_a_notebook(browser: Browser, story: Explanation, tmp_path: Path) -> None:
    """The page lives in a frame of its own, and its script works there."""
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><body>{story._repr_html_()}</body>", encoding="utf-8")
    browser.open(path)
    frame = browser.driver.find_element("css selector", "iframe")
    browser.driver.switch_to.frame(frame)
    try:
        move(browser, 2)
        assert registers(browser) == expected(story, 2)
        assert browser.run("try { return parent.document.title } catch { return 'apart' }") == (
            "apart"
        )
    finally:
        browser.driver.switch_to.default_content()
    assert browser.errors == []


@pytest.mark.parametrize("call", [("Elsewhere",), ("Tagged",), ("Bad", "</script><script>x()")])
def test_hostile_names(
    browser: Browser, told: Tell, go_version: str, tmp_path: Path, call: tuple[str, ...]
) -> None:
    path = tmp_path / "page.html"
    told("explained", go_version, *call).save(path)
    browser.open(path)
    assert "owned" not in browser.driver.title
    assert browser.count("script") == 2
    assert browser.count("main img, main script") == 0
    assert browser.errors == []
    assert browser.requests == [path.as_uri()]
