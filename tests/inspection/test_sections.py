"""Build info, packages, exports, inits, variables, strings, embedded files, capabilities."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest

import emuplugin
from emuplugin.inspection import Inspection
from emuplugin.inspection.debug_variables import as_printed
from emuplugin.inspection.names import package_of, short_name
from emuplugin.inspection.packages import OWN, STANDARD, THIRD_PARTY

from .conftest import Inspect, dwarf_variables, go_tool, nm

OWN_PATH = "example.com/inspected"


def test_build_info_is_that_of_go_version(inspection: Inspect, go_version: str) -> None:
    found = inspection("router", go_version)
    text = go_tool(go_version, ("version", "-m", found.path))
    info = found.build_info
    lines = [f"path\t{info.path}", f"mod\t{info.main.path}\t{info.main.version}"]
    lines += [f"dep\t{dep.path}\t{dep.version}\t{dep.sum}" for dep in info.deps]
    shown = [line.strip() for line in text.splitlines()]
    assert shown[0] == f"{found.path}: {info.go_version}"
    for line in lines:
        assert line in shown
    builds = dict(line.removeprefix("build\t").split("=", 1) for line in shown if "build\t" in line)
    assert builds == info.settings
    assert len(shown) == 1 + len(lines) + len(builds)


def test_packages(inspection: Inspect, go_version: str) -> None:
    for stripped in (False, True):
        found = inspection("router", go_version, stripped=stripped)
        packages = {package.path: package for package in found.packages}
        assert packages["example.com/router"].origin == OWN
        chi = packages["github.com/go-chi/chi/v5"]
        assert (chi.origin, chi.module) == (THIRD_PARTY, "github.com/go-chi/chi/v5")
        assert chi.version == "v5.1.0"
        assert chi.functions > 50
        others = {p.path: p.origin for p in packages.values() if p.module == "" and p.origin != OWN}
        assert set(others.values()) == {STANDARD}
        assert {"net/http", "runtime", "vendor/golang.org/x/net/http/httpguts"} <= set(others)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("logger", "go.uber.org/zap"),  # begins as names of the linker's own once did
        ("files", "go.etcd.io/bbolt"),
        ("leveldb", "github.com/syndtr/goleveldb/leveldb/memdb"),
    ],
)
def test_packages_of_others(inspection: Inspect, name: str, package: str, go_version: str) -> None:
    found = inspection(name, go_version, stripped=True)
    assert found.origin(package) == THIRD_PARTY
    paths = {p.path: p for p in found.packages}
    assert paths[package].functions > 5
    needed = [module.path for module in found.build_info.deps]
    others = [p.path for p in paths.values() if p.origin == THIRD_PARTY]
    assert all(any(f"{path}/".startswith(f"{module}/") for module in needed) for path in others)
    assert "_" not in paths
    assert not [path for path in paths if path.count("github.com") > 1]


@pytest.mark.parametrize(
    ("function", "package", "short"),
    [
        ("go.uber.org/zap.New", "go.uber.org/zap", "zap.New"),
        ("main.F", "main", "main.F"),
        ("_.goready.func1", "", "_.goready.func1"),
        (
            "text/template.Template.text/template/parse.Copy",
            "text/template",
            "template.Template.text/template/parse.Copy",
        ),
        ("gopkg.in/yaml%2ev3.(*Node).Decode", "gopkg.in/yaml.v3", "yaml%2ev3.(*Node).Decode"),
        ("example.com/a.b/c.F", "example.com/a.b/c", "c.F"),
        ("slices.Sort[go.shape.int]", "slices", "slices.Sort[go.shape.int]"),
        ("type:.eq.[2]string", "", "type:.eq.[2]string"),
        ("memcpy", "", "memcpy"),
    ],
)
def test_packages_of_functions(function: str, package: str, short: str) -> None:
    assert package_of(function) == package
    assert short_name(function) == short


def test_unnamed_plugins_are_their_own(inspection: Inspect, go_version: str) -> None:
    found = inspection("unnamed", go_version)
    assert found.plugin_path.startswith("plugin/unnamed-")
    assert found.origin(found.plugin_path) == OWN


@pytest.mark.parametrize("name", ["hello", "inspected", "kinds_matrix", "unnamed"])
def test_exports_are_those_of_the_running_plugin(
    inspection: Inspect, name: str, go_version: str
) -> None:
    found = inspection(name, go_version)
    with emuplugin.Machine() as machine:
        plugin = machine.open(found.path)
        assert {export.name: export.type for export in found.exports} == dict(plugin.exports)
    assert all(export.address for export in found.exports)
    assert [export.name for export in found.exports] == sorted(e.name for e in found.exports)


def test_inits_are_those_of_the_running_plugin(inspection: Inspect, go_version: str) -> None:
    found = inspection("inspected", go_version)
    with emuplugin.Machine() as machine:
        trace = machine.open(found.path).init_trace
    ran = [(step.package, step.functions) for step in trace]
    ours = [(i.package, tuple(f.name for f in i.functions)) for i in found.inits]
    assert [step for step in ours if step in ran] == ran
    # The runtime's own may have run as part of its start.
    assert {package for package, _ in set(ours) - set(ran)} <= {
        i.package for i in found.inits if i.package.startswith(("runtime", "internal/"))
    }


def test_what_init_functions_call(sample: Inspection) -> None:
    inits = {init.package: init for init in sample.inits}
    functions = {f.name: f.calls for f in inits[OWN_PATH].functions}
    assert list(functions) == [f"{OWN_PATH}.init", f"{OWN_PATH}.init.0", f"{OWN_PATH}.init.1"]
    assert f"{OWN_PATH}.describe" in functions[f"{OWN_PATH}.init.1"]
    order = [init.package for init in sample.inits]
    assert order.index(f"{OWN_PATH}/shapes") < order.index(OWN_PATH)
    assert order.index("runtime") < order.index("os")


def test_variables(sample: Inspection) -> None:
    found = {v.name: v for v in sample.variables}
    visible = found[f"{OWN_PATH}.Visible"]
    assert (visible.type, visible.size, visible.initialized) == ("string", 16, True)
    assert visible.type_from == "exports"
    assert visible.functions == (f"{OWN_PATH}.init.1",)
    hidden = found[f"{OWN_PATH}.hidden"]
    assert (hidden.size, hidden.initialized) == (8, False)
    assert (hidden.type, hidden.type_from) == (("int64", "DWARF") if sample.has_dwarf else ("", ""))
    assert found[f"{OWN_PATH}.Assets"].type == "embed.FS"
    assert f"{OWN_PATH}.Total" in found[f"{OWN_PATH}.handler"].functions


def test_types_of_variables(sample: Inspection) -> None:
    found = {v.name: (v.type, v.type_from) for v in sample.variables}
    own = {
        f"{OWN_PATH}.table": "map[string]string",
        f"{OWN_PATH}.handler": "func(string) string",
        f"{OWN_PATH}/shapes.registered": "map[string]shapes.Shape",
    }
    for name, type_name in own.items():
        assert found[name] == ((type_name, "DWARF") if sample.has_dwarf else ("", ""))
    # What a stripped file tells: interfaces that hold something, and strings.
    source = "DWARF" if sample.has_dwarf else "value"
    assert found["io.EOF"] == ("error", source)
    assert found["net.errMalformedDNSRecordsDetail"] == ("string", source)
    assert found["runtime.stringEface"] == ("interface {}", source)
    if sample.has_dwarf:
        # The linker makes it, and nobody describes it.
        unknown = {name for name, (type_name, _) in found.items() if not type_name}
        assert unknown == {"runtime.lastmoduledatap"}


@pytest.mark.parametrize("name", ["generics", "yaml", "router"])
def test_types_of_variables_are_those_of_dwarf(
    inspection: Inspect, name: str, go_version: str
) -> None:
    """By way of pyelftools, which decodes all of it; what is inferred without DWARF is right."""
    found = inspection(name, go_version)
    truth = dwarf_variables(found.path)
    ours = {v.name: v.type for v in found.variables}
    assert {n for n in ours.keys() & truth if not ours[n]} == set()
    assert len(ours.keys() & truth.keys()) > 250
    packages = {t.package: t.name.partition(".")[0] for t in found.types if t.named and t.package}
    packages[found.plugin_path] = "main"
    expected = {name: as_printed(truth[name], packages) for name in ours.keys() & truth.keys()}
    assert {name: ours[name] for name in expected} == expected
    stripped = inspection(name, go_version, stripped=True).variables
    inferred = {v.name: v.type for v in stripped if v.type}
    assert inferred
    # var errVarintOverflow = DecodingError{errors.New(...)}, a struct of nothing but an error.
    known = {"vendor/golang.org/x/net/http2/hpack.errVarintOverflow"}
    assert {n for n in inferred if inferred[n] != ours[n]} <= known


@pytest.mark.parametrize("name", ["hello", "router"])
def test_variables_are_those_of_nm(inspection: Inspect, name: str, go_version: str) -> None:
    found = inspection(name, go_version)
    ours = {v.name: (v.address, v.size) for v in found.variables}
    truth = {
        symbol: (address, size)
        for address, size, code, symbol in nm(go_version, found.path)
        if code in "DdBb" and not symbol.startswith("local.")
    }
    assert not {name: place for name, place in ours.items() if truth.get(name) != place}
    named = {n for n in truth if found._module.in_data(truth[n][0]) and "." in n}
    missed = {n for n in named - set(ours) if not _is_compilers(n)}
    assert missed == set()


def _is_compilers(name: str) -> bool:
    return (
        name.startswith(("go:", "type:", "runtime.gcbits.", "_cgo_", "$"))
        or ".." in name
        or "._cgo" in name
        or "·" in name
        or name.endswith(".files")
        # Ends and starts of sections.
        or name.startswith(("runtime.e", "runtime.gcmask."))
        or name
        in ("runtime.data", "runtime.bss", "runtime.noptrdata", "runtime.noptrbss", "runtime.end")
    )


STRINGS = {
    "nobody to greet in this fixture": "Greet",
    "a greeting from the fixture, ": "Greet",
    "an argument of the fixture": "Run",
    "%.1f degrees of fixture": "Celsius.String",
    "fixture square": "shapes.init.0",
    "tcp": "connect",
}


def test_strings_with_their_users(sample: Inspection) -> None:
    found = {s.value: s for s in sample.strings}
    for value, user in STRINGS.items():
        string = found[value]
        assert string.exact
        assert string.length == len(value.encode())
        assert any(name.endswith(user) for name in string.functions), string
    assert found["the first value of Visible"].data
    assert found["fixture value one"].length == 17


def test_strings_lie_in_order_and_without_overlap(inspection: Inspect, go_version: str) -> None:
    for name in ("inspected", "router", "yaml"):
        strings = inspection(name, go_version).strings
        exact = [s for s in strings if s.exact]
        assert len(exact) > 0.95 * len(strings) > 1000
        assert [s.length for s in exact] == sorted(s.length for s in exact)
        inside = [(a, b) for a, b in pairwise(exact) if a.address + a.length > b.address]
        assert len(inside) < len(exact) / 200, inside[:3]
        values = {s.value for s in exact}
        assert len(values) > 0.99 * len(exact)


def test_strings_of_stripped_plugins(inspection: Inspect, go_version: str) -> None:
    kept = {s.value for s in inspection("yaml", go_version).strings}
    stripped = {s.value for s in inspection("yaml", go_version, stripped=True).strings}
    assert len(kept ^ stripped) < len(kept) / 100


def test_embedded_files(sample: Inspection) -> None:
    files = {file.name: file for file in sample.embedded_files}
    assert sorted(files) == ["files/", "files/one.txt", "files/sub/", "files/sub/two.json"]
    one = files["files/one.txt"]
    assert one.data == b"first embedded file\n"
    assert one.variable == f"{OWN_PATH}.Assets"
    assert one.sha256 == hashlib.sha256(one.data).hexdigest()
    assert files["files/"].is_folder


def test_plugins_without_embedded_files(inspection: Inspect, go_version: str) -> None:
    assert inspection("router", go_version).embedded_files == ()


def test_c_imports_and_libraries(sample: Inspection) -> None:
    assert "malloc" in sample.c_imports
    assert "libc.so.6" in sample.libraries
    assert sample.relocations["R_X86_64_TPOFF64"] == 1


def test_capabilities(sample: Inspection) -> None:
    found = {c.name: c for c in sample.capabilities}
    assert {name: (c.certainty, c.entry, c.path[0], c.path[-1]) for name, c in found.items()} == {
        "files": ("certain", "export ReadConfig", f"{OWN_PATH}.ReadConfig", "os.ReadFile"),
        "network": ("certain", "export Dial", f"{OWN_PATH}.Dial", "net.Dial"),
        "exec": ("certain", "export Run", f"{OWN_PATH}.Run", "os/exec.Command"),
        "signals": ("certain", "export Run", f"{OWN_PATH}.Run", "os.(*Process).Kill"),
        "environment": ("certain", "export Run", f"{OWN_PATH}.Run", "os.Getenv"),
        "reflection": (
            "certain",
            "export Fields",
            f"{OWN_PATH}.Fields",
            found["reflection"].path[-1],
        ),
        "goroutines": ("certain", "export Areas", f"{OWN_PATH}.Areas", "runtime.newproc"),
        "assembly": ("certain", "export Sum", f"{OWN_PATH}.Sum", f"{OWN_PATH}.add"),
        "unsafe": ("certain", "export Bytes", f"{OWN_PATH}.Bytes", found["unsafe"].path[-1]),
    }
    assert found["network"].path[1] == f"{OWN_PATH}.connect"


def test_each_step_of_the_evidence_is_an_edge(sample: Inspection) -> None:
    for capability in sample.capabilities:
        for caller, callee in pairwise(capability.path):
            assert callee in {edge.callee for edge in sample.calls.callees(caller)}


def test_a_plugin_that_only_computes(inspection: Inspect, go_version: str) -> None:
    assert inspection("add", go_version, stripped=True).capabilities == ()


def test_c_code_is_told(inspection: Inspect, go_version: str) -> None:
    found = {c.name: c for c in inspection("cgo", go_version).capabilities}
    assert found["cgo"].certainty == "certain"
