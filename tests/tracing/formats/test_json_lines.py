"""JSON lines: by the schema, back to the same events, and good when cut off."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from emuplugin.errors import FormatError
from emuplugin.tracing.events import KINDS, Event, Frame, Output, Sample
from emuplugin.tracing.formats import save
from emuplugin.tracing.formats.event_json import from_dict, to_line
from emuplugin.tracing.formats.json_lines import JsonLinesWriter, read, read_lines, read_samples

from .made import EVENTS, NASTY, SEQUENCES, trace_of

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "trace-schema.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return document


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Any:
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_has_every_kind_with_its_fields(schema: dict[str, Any]) -> None:
    for name, kind in KINDS.items():
        line = schema["$defs"][f"{name.replace(' ', '_')}_line"]
        fields = [field.name for field in dataclasses.fields(kind)]
        assert line["required"] == list(line["properties"]) == ["kind", *fields]
        assert line["properties"]["kind"] == {"const": name}
        assert line["additionalProperties"] is False
    others = {"trace", "module", "sample", "block", "end"}
    assert set(schema["properties"]["kind"]["enum"]) == {*KINDS, *others}


@given(event=EVENTS)
def test_an_event_survives(event: Event) -> None:
    line = json.loads(to_line(event))
    assert from_dict(line) == event


@settings(max_examples=30)
@given(event=EVENTS)
def test_every_event_follows_the_schema(event: Event) -> None:
    definitions = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    name = f"{event.kind.replace(' ', '_')}_line"
    part = {"$ref": f"#/$defs/{name}", "$defs": definitions}
    jsonschema.Draft202012Validator(part).validate(json.loads(to_line(event)))


@settings(max_examples=30)
@given(events=SEQUENCES)
def test_a_file_survives(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "t.jsonl"
    stack = (Frame("main.F", "f.go", 3, 4096),)
    save(trace_of(events, [Sample(stack, 100, 1)], every=100), path)
    assert list(read(path)) == events
    assert list(read_samples(path)) == [Sample(stack, 100, 1)]
    *_, last = read_lines(path)
    assert last["kind"] == "end"
    assert last["events"] == len(events)
    path.read_bytes().decode("ascii")


def test_whole_file_follows_the_schema(tmp_path: Path, validator: Any) -> None:
    path = tmp_path / "t.jsonl"
    events = [Output(1, 2, 3, 4, "stdout", text) for text in NASTY]
    save(trace_of(events, [Sample((), 5, 0)], every=5), path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["trace", *["output"] * 8, "sample", "end"]
    for line in lines:
        validator.validate(line)


def test_the_schema_notices_what_is_wrong(validator: Any) -> None:
    line = json.loads(to_line(Output(1, 2, 3, 4, "stdout", "x")))
    assert validator.is_valid(line)
    for wrong in ({"kind": "inptu"}, {"stream": "stdin"}, {"time": "1"}, {"more": 1}):
        assert not validator.is_valid({**line, **wrong})
    assert not validator.is_valid({key: line[key] for key in line if key != "text"})


def test_what_was_written_is_kept_when_nobody_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    monkeypatch.setattr("emuplugin.tracing.formats.json_lines._FLUSH_SECONDS", 0.0)
    writer = JsonLinesWriter(path)
    events = [Output(number, 0, 1, 1, "stdout", "x" * 50) for number in range(500)]
    for event in events:
        writer(event)
    assert list(read(path)) == events  # before close
    writer.close()


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    events = [Output(number, 0, 1, 1, "stdout", "x") for number in range(20)]
    save(trace_of(events), path)
    whole = path.read_bytes()
    for end in range(len(whole.splitlines(True)[0]) + 1, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        complete = whole[:end].count(b"\n") - 1
        assert list(read(path)) == events[:complete]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json\n", "line 1 is not JSON"),
        ("[1]\n", "no JSON object with a kind"),
        ('{"kind":"output"}\n', "this is no trace"),
        ('{"kind":"trace","version":2}\n', "format version 2 is not known"),
        ('{"kind":"trace","version":1}\n{"kind":"output","time":1}\n', "lacks or mistakes"),
        (
            '{"kind":"trace","version":1}\n{"kind":"output","time":1.5,"instructions":1,'
            '"thread":1,"goroutine":1,"stream":"stdout","text":"x"}\n',
            "1.5, which is no int",
        ),
        (
            '{"kind":"trace","version":1}\n{"kind":"output","time":1,"instructions":1,'
            '"thread":1,"goroutine":1,"stream":"stdin","text":"x"}\n',
            "none of stdout, stderr",
        ),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(FormatError, match=told):
        list(read(path))


def test_lines_of_later_kinds_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"kind":"trace","version":1}\n{"kind":"weather","sun":true}\n')
    assert list(read(path)) == []
