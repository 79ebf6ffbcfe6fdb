"""Large packages of Go's standard library: net/http, crypto/tls, encoding/json, regexp, ..."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.conftest import Pair
from tests.oracle.same_calls import TEXT, check, examples

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
SMALL = st.integers(-(10**6), 10**6)
DECIMAL = st.integers(-(10**40), 10**40).map(str)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | SMALL | FINITE | st.text(max_size=9),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
).map(json.dumps)
INVOICE = st.fixed_dictionaries(
    {},
    optional={
        "id": SMALL,
        "name": st.text(max_size=9),
        "total": st.floats(-1e9, 1e9),
        "paid": st.booleans(),
        "lines": st.lists(st.fixed_dictionaries({"text": st.text(max_size=5), "count": SMALL})),
        "unknown": st.none(),
    },
).map(json.dumps)
EXPRESSION = st.sampled_from(
    [r"(\w+)@(\w+)", r"^(a|b)*c?$", r"[^aeiou\s]{2,}", r"(?i)(x)|(y)", r"\p{L}+", "(", "a{2,1}", ""]
)
TEMPLATE = st.sampled_from(
    [
        "{{.Name}} {{len .Numbers}}",
        '{{range $i, $n := .Numbers}}{{if $i}}, {{end}}{{printf "%03d" $n}}{{end}}',
        "{{.Line.Text}}{{.Line.Count}}",
        "{{.Missing.Field}}",
        "{{nothing}}",
        "{{html .Name}} {{js .Name}} {{urlquery .Name}}",
        "{{index .Numbers 99}}",
    ]
)
NUMBER = st.one_of(
    TEXT,
    DECIMAL,
    st.floats().map(str),
    st.sampled_from(["0x1p-2", "1_000", "0b11", "inf", "-NaN"]),
)
REPETITIVE = TEXT.map(lambda text: text.encode(errors="surrogateescape") * 50)
URL = st.one_of(TEXT, TEXT.map(lambda text: f"https://user:pw@host:80/{text}?q=1#f"))
WORDS = st.lists(st.sampled_from(["a", "b", "ü", "rollback", "c"])).map(" ".join)
HOSTS = st.sampled_from(["localhost", "example.com", "b.example.com"])

CALLS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "EncodeJSON": st.tuples(SMALL, TEXT, st.integers(0, 5)),
    "DecodeJSON": st.tuples(INVOICE | JSON | TEXT),
    "CompactJSON": st.tuples(JSON | TEXT),
    "Match": st.tuples(EXPRESSION | TEXT, TEXT),
    "Replace": st.tuples(EXPRESSION, TEXT, st.sampled_from(["", "[$1]", "${2}x", "$", "€"])),
    "Render": st.tuples(TEMPLATE, TEXT, st.integers(0, 6)),
    "Factorial": st.tuples(st.integers(0, 200)),
    "PowMod": st.tuples(DECIMAL, st.integers(0, 10**12).map(str), DECIMAL),
    "Ratio": st.tuples(INT64, INT64, INT64, INT64),
    "Sqrt2": st.tuples(st.integers(1, 200)),
    "Gzip": st.tuples(st.binary(max_size=2000) | REPETITIVE, st.integers(-3, 10)),
    "Gunzip": st.tuples(st.binary(max_size=50)),
    "Words": st.tuples(TEXT),
    "Formats": st.tuples(SMALL, st.floats(), TEXT),
    "Numbers": st.tuples(NUMBER),
    "Date": st.tuples(st.integers(-(10**11), 10**11)),
    "Encode": st.tuples(st.binary(max_size=300)),
    "ParseURL": st.tuples(URL),
    "Serve": st.tuples(
        st.sampled_from(["GET", "POST", "PUT"]),
        st.sampled_from(["/echo?a=1&a=2", "/json", "/", "/echo/../json", "/missing"]),
        TEXT | JSON,
    ),
    "Digests": st.tuples(st.binary(max_size=300), st.binary(max_size=80)),
    "Seal": st.tuples(TEXT, st.binary(max_size=100)),
    "Unseal": st.tuples(TEXT, st.binary(max_size=100)),
    "Database": st.tuples(WORDS, st.sampled_from(["a", "x"])),
    "BadQuery": st.tuples(TEXT),
}  # fmt: skip
# Much emulated arithmetic: a few examples do.
SLOW: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "Sign": st.tuples(TEXT, st.binary(max_size=100)),
    "VerifyCertificate": st.tuples(HOSTS, HOSTS),
}


def test_every_function_is_tested(pair: Pair) -> None:
    plugin, _ = pair("stdlib")
    assert set(plugin.exports) == {*CALLS, *SLOW, "Handshake"}


@pytest.mark.parametrize("name", CALLS)
@examples(25)
@given(data=st.data())
def test_the_same_as_native(name: str, pair: Pair, data: st.DataObject) -> None:
    check(*pair("stdlib"), name, *data.draw(CALLS[name]))


@pytest.mark.parametrize("name", SLOW)
@examples(3)
@given(data=st.data())
def test_the_same_as_native_slowly(name: str, pair: Pair, data: st.DataObject) -> None:
    check(*pair("stdlib"), name, *data.draw(SLOW[name]))


def test_tls(pair: Pair) -> None:
    """Once: on the host's clock the end of the connection takes five seconds."""
    check(*pair("stdlib"), "Handshake", "localhost", "through TLS: ä€")


@examples(15)
@given(data=st.binary(max_size=3000), level=st.integers(0, 9))
def test_there_and_back(pair: Pair, data: bytes, level: int) -> None:
    plugin, oracle = pair("stdlib")
    packed = check(plugin, oracle, "Gzip", data, level)[0][1]
    assert check(plugin, oracle, "Gunzip", packed)[0][1] == data
    sealed = check(plugin, oracle, "Seal", "password", data)[0][1]
    assert check(plugin, oracle, "Unseal", "password", sealed)[0][1] == data
    spoiled = bytes([sealed[0] ^ 1]) + sealed[1:]
    assert check(plugin, oracle, "Unseal", "password", spoiled)[1][0] == "error"
