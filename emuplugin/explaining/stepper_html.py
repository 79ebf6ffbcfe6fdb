"""The stepper of a story's page: panels for those who have scripts, a table for all."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from emuplugin.printable import plain

from .blocks import CodeLine, Step, Stepper, base_name, changes

PRINTED: Final = 200
"""Steps that are printed on paper."""


def stepper_data(stepper: Stepper) -> dict[str, Any]:
    """What the script needs: numbers as text, since scripts know no integers of 64 bits."""
    return {
        "registers": [[name, f"{value:x}"] for name, value in stepper.registers],
        "steps": [
            [
                step.code,
                [[name, f"{value:x}"] for name, value in step.changed],
                [[int(write), f"{at:x}", size, f"{v:x}"] for write, at, size, v in step.memory],
                plain(step.between),
                step.note,
            ]
            for step in stepper.steps
        ],
        "lines": [line.places for line in stepper.code],
        "names": {f"{address:x}": plain(name) for address, name in stepper.names.items()},
    }


def stepper_html(stepper: Stepper) -> str:
    """The panels as they are before the first step, and all steps as a table."""
    last = max(len(stepper.steps) - 1, 0)
    registers = "".join(
        f'<tr data-register="{_text(name)}"><th scope="row"><code>{_text(name)}</code></th>'
        f"<td><code>{value:#x}</code></td></tr>"
        for name, value in stepper.registers
    )
    return f"""<div class="stepper" id="stepper">
<div class="controls" hidden>
<div class="buttons" role="group" aria-label="Steps">
<button type="button" data-go="first" title="First step (Home)">First</button>
<button type="button" data-go="back" title="One step back (Left arrow)">&#x2190; Back</button>
<button type="button" data-go="play" aria-pressed="false" title="Play, or pause">Play</button>
<button type="button" data-go="next" title="One step on (Right arrow)">Next &#x2192;</button>
<button type="button" data-go="last" title="Last step (End)">Last</button>
</div>
<input type="range" id="slider" min="0" max="{last}" value="0" step="1" aria-label="Step">
<output id="status" for="slider" aria-live="polite"></output>
</div>
<div class="panels">
<div class="panel source"><h3>Source</h3><div class="view" role="region" aria-label="Source" \
tabindex="0">{_source(stepper)}</div></div>
<div class="panel code"><h3>Machine code</h3><div class="view" role="region" \
aria-label="Machine code" tabindex="0">{_code(stepper)}</div></div>
<div class="panel state"><h3>Registers <span class="dim" id="when">at the entry</span></h3>
<table class="registers"><tbody>{registers}</tbody></table>
<div id="memory"></div></div>
</div>
{_all_steps(stepper)}
</div>"""


def _text(given: str) -> str:
    return escape(plain(given))


def _source(stepper: Stepper) -> str:
    """The lines, file by file; those that have code can be chosen."""
    if not stepper.source:
        return '<p class="note">No code of this function has a source line.</p>'
    used = {place for line in stepper.code for place in line.places}
    parts, before = [], ("", 0)
    for index, line in enumerate(stepper.source):
        if line.file != before[0]:
            name = base_name(line.file)
            parts.append(
                f'<tr class="file"><th scope="rowgroup" colspan="2" title="{_text(line.file)}">'
                f"{_text(name)}</th></tr>"
            )
        elif line.line != before[1] + 1:
            parts.append('<tr class="gap"><td colspan="2">⋯</td></tr>')
        before = (line.file, line.line)
        kind = "" if index in used else ' class="silent"'
        shown = _text(line.text.expandtabs(4)) if line.text is not None else ""
        missing = "" if line.text is not None else '<span class="dim">(no source)</span>'
        parts.append(
            f'<tr id="s{index}"{kind}><td class="number">{line.line}</td>'
            f"<td><code>{shown}</code>{missing}</td></tr>"
        )
    return f"<table><tbody>{''.join(parts)}</tbody></table>"


def _code(stepper: Stepper) -> str:
    parts, function = [], ""
    for index, line in enumerate(stepper.code):
        if line.function != function:
            function = line.function
            parts.append(
                f'<tr class="file"><th scope="rowgroup" colspan="3">{_text(function)}</th></tr>'
            )
        comment = f' <span class="comment">{_text(line.comment)}</span>' if line.comment else ""
        parts.append(
            f'<tr id="c{index}"><td class="number dim"><code>{line.address:x}</code></td>'
            f"<td><code>{_text(line.text)}</code>{comment}</td>"
            f'<td class="number dim">{_place(stepper, line)}</td></tr>'
        )
    return f"<table><tbody>{''.join(parts)}</tbody></table>"


def _place(stepper: Stepper, line: CodeLine) -> str:
    """The number of the line, in the function's own file."""
    return str(stepper.source[line.places[-1]].line) if line.places else ""


def _all_steps(stepper: Stepper) -> str:
    rows = "".join(_rows(stepper))
    total = len(stepper.steps)
    printed = ""
    if total > PRINTED:
        printed = f'<p class="note on-paper">The first {PRINTED} of {total:,} steps.</p>'
    return (
        f'<details class="all-steps" open><summary>All steps as a table '
        f'<span class="dim">({total:,})</span></summary>{printed}'
        '<div class="scroll" role="region" aria-label="All steps" tabindex="0">'
        '<table><thead><tr><th scope="col" class="number">step</th><th scope="col">line</th>'
        '<th scope="col">instruction</th><th scope="col">registers changed</th>'
        f'<th scope="col">memory</th></tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _rows(stepper: Stepper) -> Iterator[str]:
    for number, step in enumerate(stepper.steps, 1):
        late = ' class="late"' if number > PRINTED else ""
        if step.between:
            yield (
                f'<tr class="between{" late" if late else ""}"><td></td><td></td>'
                f'<td colspan="3">{_text(step.between)}</td></tr>'
            )
        line = stepper.code[step.code]
        place = stepper.source[line.places[-1]] if line.places else None
        name = (
            f"{place.file.replace(chr(92), '/').rpartition('/')[2]}:{place.line}" if place else ""
        )
        changed = changes(step)
        yield (
            f'<tr{late}><td class="number">{number:,}</td><td>{_text(name)}</td>'
            f"<td><code>{_text(line.text)}</code> {step.note}</td>"
            f"<td><code>{_text(changed)}</code></td>"
            f"<td><code>{_text(_memory(stepper, step))}</code></td></tr>"
        )


def _memory(stepper: Stepper, step: Step) -> str:
    parts = []
    for write, address, size, value in step.memory:
        name = stepper.names.get(address, "")
        where = f"{address:#x}" + (f" ({name})" if name else "")
        parts.append(f"{'wrote' if write else 'read'} {value:#x} ({size}) at {where}")
    return "; ".join(parts)
