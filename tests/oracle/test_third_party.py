"""Well-known modules of others: a YAML and a TOML library, a router, a logger, a database."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emuplugin import GoPanic
from tests.oracle.conftest import Pair
from tests.oracle.same_calls import TEXT, check, examples
from tests.values.symbols import func_of

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(-1e6, 1e6),
    st.text(max_size=8),
)
KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
DOCUMENTS = st.dictionaries(
    KEYS,
    SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(KEYS, SCALARS, max_size=3),
    max_size=5,
)
YAML = st.one_of(
    DOCUMENTS.map(json.dumps),  # JSON is YAML
    st.lists(st.tuples(KEYS, st.integers(0, 99)), max_size=5).map(
        lambda pairs: "".join(f"{key}: {value}\n" for key, value in pairs)
    ),
    TEXT,
    st.sampled_from(
        ["a: &x [1, two]\nb: *x\n", "name: n\nport: 80\n", "- 1\n- {a: 2}\n", "a: |\n  x\n  y\n",
         "a:\n\t- tab", "<<: {a: 1}", "2001-01-01: 0x1F", "a: !!binary aGk=", "&a [*a]"]
    ),
)  # fmt: skip
TOML = st.one_of(
    st.lists(st.tuples(KEYS, st.integers() | st.booleans() | st.floats(-9, 9)), max_size=5).map(
        lambda pairs: "".join(f"{key} = {json.dumps(value)}\n" for key, value in pairs)
    ),
    TEXT,
    st.sampled_from(
        ['title = "t"\n[owner]\ndob = 1979-05-27T07:32:00Z\n', "[[a]]\nx=1\n[[a]]\nx=2\n",
         "a = [1, [2, 3]]\nb.c.d = true\n", 'x = """\nmulti\n"""', "a = 1\na = 2\n",
         "x = 0xdead_beef"]
    ),
)  # fmt: skip


@pytest.mark.parametrize("name", ["ToJSON", "Normalize", "Lines"])
@examples(40)
@given(text=YAML)
def test_yaml(name: str, pair: Pair, text: str) -> None:
    check(*pair("yaml"), name, text)


@pytest.mark.parametrize("name", ["ToJSON", "Keys"])
@examples(40)
@given(text=TOML)
def test_toml(name: str, pair: Pair, text: str) -> None:
    check(*pair("toml"), name, text)


@examples(40)
@given(text=DOCUMENTS.map(json.dumps) | TEXT)
def test_json_to_toml(pair: Pair, text: str) -> None:
    check(*pair("toml"), "FromJSON", text)


@examples(40)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS"]),
    target=st.lists(st.sampled_from(["users", "7", "x", "..", "%C3%A4", "files", "panic"])).map(
        lambda parts: "/" + "/".join(parts)
    ),
    body=TEXT,
)
def test_router(pair: Pair, method: str, target: str, body: str) -> None:
    check(*pair("router"), "Serve", method, target, body)


def test_routes_of_the_router(pair: Pair) -> None:
    plugin, oracle = pair("router")
    (_, routes), _ = check(plugin, oracle, "Routes")
    for line in routes.splitlines():
        method, path = line.split()[:2]
        for target in (path, path.replace("{id}", "42").replace("*", "some/thing")):
            check(plugin, oracle, "Serve", method, target, "body")


@examples(30)
@given(
    level=st.sampled_from(["debug", "info", "WARN", "error", "dpanic", "bogus", ""]),
    message=TEXT,
    number=st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_logger(pair: Pair, level: str, message: str, number: int) -> None:
    check(*pair("logger"), "Log", level, message, number)


def test_logger_prints_and_panics(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    plugin, oracle = pair("logger")
    func_of(plugin, "Print")("message")
    assert capsys.readouterr().out.encode() == oracle.call("Print", "message").stdout
    with pytest.raises(GoPanic) as caught:
        func_of(plugin, "Panic")("logged")
    assert caught.value.value == "logged"
    assert "go.uber.org/zap" in caught.value.traceback
    check(plugin, oracle, "Log", "info", "after the panic", 1)


@examples(25)
@given(
    people=st.lists(st.tuples(TEXT, TEXT, st.integers(0, 120)), max_size=6),
    age=st.integers(0, 120),
    prefix=st.sampled_from(["", "a", "0"]),
)
def test_database(pair: Pair, people: list[tuple[str, str, int]], age: int, prefix: str) -> None:
    plugin, oracle = pair("database")
    for email, name, years in people:
        check(plugin, oracle, "Put", email, name, years)
    check(plugin, oracle, "OlderThan", age)
    for email, _, _ in people:
        check(plugin, oracle, "Get", email)
    check(plugin, oracle, "Aborted", "nobody")
    check(plugin, oracle, "Delete", prefix)
    check(plugin, oracle, "OlderThan", 0)


@examples(60)
@given(number=st.integers(0, 999), x=st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_thousand_functions(pair: Pair, number: int, x: int) -> None:
    check(*pair("many"), f"F{number:04}", x)
