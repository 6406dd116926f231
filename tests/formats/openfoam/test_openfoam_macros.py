"""What stands for something else in OpenFOAM's dictionaries, compared with OpenFOAM's own answers."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from helpers.formats import foam_cases as foam
from tramontane.errors import FormatError
from tramontane.formats.openfoam import case as openfoam
from tramontane.formats.openfoam.density import find_density
from tramontane.formats.openfoam.dictionaries import Dictionary, FoamFile, read_dictionary
from tramontane.formats.openfoam.macros import NoNumberError, evaluate
from tramontane.formats.results import Results

installed = pytest.mark.skipif(foam.missing() is not None, reason=foam.missing() or "")


def parsed(text: str, root: Path | None = None) -> tuple[Dictionary, list[str]]:
    opened = FoamFile(root / "system/file" if root else Path("file"), text.encode(), root=root)
    return opened.entries(), opened.notes


ENTRIES = """
a 3; b 2.5; sub { c 4; inner { d $..c; e #eval{ 10*$c }; } }
sum #eval{ $a + 2*$b };
quotient #eval{ 1/2 };
functions #eval{ pow($a, 2) + sqrt(16) + min($a, 2) + max(1,5) + log10(100) };
choice #eval{ $a > 2 && !($b == 3) ? 10 : 20 };
quoted #eval "$a*$b";
angle #eval{ radToDeg(pi()) };
remainder #eval{ 7 % 4 };
negative #eval{ -$a };
lines #eval{
   $a   // a comment
   + 1 };
verbatim #eval #{ 0.1 * $a #};
scoped #eval{ $sub.c + $:sub.c + $a };
listed ( #eval{ $a } #eval{ 2*$a } 0 );
uniformly uniform #eval{ 3*$a };
paths $/sub/c; also ${sub/c}; dots $sub.inner.d; top ${:sub.c};
braces ${a};
"""


@installed
def test_arithmetic_is_what_openfoam_says(tmp_path: Path) -> None:
    file = tmp_path / "entries"
    file.write_text(f"FoamFile {{ version 2.0; format ascii; class dictionary; object entries; }}\n{ENTRIES}")
    done = subprocess.run(
        ["foamDictionary", "-expand", str(file)], env=os.environ | {"WM_PROJECT_DIR": "/usr/share/openfoam"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    expanded = done.stdout[done.stdout.index("FoamFile") :]
    theirs, _ = parsed(expanded)
    ours, notes = parsed(ENTRIES)
    assert notes == []
    assert set(ours) == set(theirs)

    def same(one: object, other: object) -> bool:
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            return len(one) == len(other) and all(map(same, one, other))
        try:
            return float(str(one)) == pytest.approx(float(str(other)), rel=1e-5)  # it writes six digits
        except ValueError:
            return one == other

    assert [name for name, value in ours.items() if not same(value, theirs[name])] == []


REFUSED = ["$U + 1", "2^3", "vector(1, 2, 3)", "$nothing", "1/0", "1e308*10", "pow(-1, 0.5)", "sqrt(-1)", "1 +", "(1",
           "__import__('os')", "a.b", "9**9**9", "((" * 500, "1" + "+1" * 20000, ""]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_arithmetic_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(NoNumberError):
        evaluate(text, [{"U": [["1", "0", "0"]]}])


def test_newer_versions_have_defaults_and_braces() -> None:
    entries, notes = parsed("a 3; b ${nothing:-7}; c ${{ 2*$a }}; d ${a:-1}; e $sub; sub { f ${nothing:-x}; }")
    assert notes == []
    assert entries == {"a": ["3"], "b": ["7"], "c": ["6"], "d": ["3"], "e": ["$sub"], "sub": {"f": ["x"]}}


def test_a_quotient_of_whole_numbers_in_code_is_not_guessed() -> None:
    assert evaluate("1/2", []) == "0.5"
    assert evaluate("1.0/2", [], compiled=True) == "0.5"
    with pytest.raises(NoNumberError, match="without remainder"):
        evaluate("1/2", [], compiled=True)


def test_an_entry_that_cannot_be_evaluated_is_left_out_by_name() -> None:
    entries, notes = parsed(
        'a 1;\nspeed #eval{ mag($U) };\nb #calc "1/2";\n'
        "wall { type x; value #codeStream { code #{ f(); } #}; }; }\nc 2;"
    )
    assert entries == {"a": ["1"], "wall": {"type": ["x"]}, "c": ["2"]}
    assert [re.search(r"entry (\w+) at line (\d)", note).groups() for note in notes] == [  # type: ignore[union-attr]
        ("speed", "2"), ("b", "3"), ("value", "4"),
    ]  # fmt: skip
    assert "$U is no number here" in notes[0]


def test_a_branch_that_is_not_taken_is_not_read() -> None:
    entries, notes = parsed(
        "a 1;\n#ifeq $a 1.0\nb yes;\n#else\nb no;\n#endif\n#if #eval{ $a > 2 }\nc yes;\n#if on\nd yes;\n#endif\n#else\n"
        "c no;\n#endif\n#if $HOST\ne yes;\n#else\ne no;\n#endif\nf 1; g 1;\n#remove (f g)\nh { $:a; }"
    )
    assert entries == {"a": ["1"], "b": ["yes"], "c": ["no"], "h": {}}
    assert len(notes) == 1
    assert "#if at line 15 cannot be decided" in notes[0]


INCLUDED = """
functions
{
    #includeFunc wallShearStress
    #includeFunc mag(U)
    #includeFunc forceCoeffs
    (
        patches = (wing tail),  // a comment
        magUInf = 20, rhoInf = 1.2
    )
    #includeFunc own(rhoInf = 1.2)
    last { type x; }
}
"""


def test_functions_have_the_arguments_on_the_lines_that_follow(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "system/own").write_text("type forces; rhoInf 1; patches (wing);")
    entries, notes = parsed(INCLUDED, tmp_path)
    assert notes == []
    assert entries["functions"] == {
        "forceCoeffs": {"patches": [["wing", "tail"]], "magUInf": ["20"], "rhoInf": ["1.2"]},
        "own": {"type": ["forces"], "rhoInf": ["1.2"], "patches": [["wing"]]},
        "last": {"type": ["x"]},
    }
    (tmp_path / "system/controlDict").write_text(INCLUDED)
    results = Results()
    control = read_dictionary(tmp_path / "system/controlDict", root=tmp_path)
    assert find_density(tmp_path, "", control, results) == 1.2
    with pytest.raises(FormatError, match=r"is cut off \(a \( is not closed\)"):
        parsed(INCLUDED.replace("rhoInf = 1.2\n    )", "rhoInf = 1.2"), tmp_path)


def test_an_include_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "system/there").write_text("here 1;")
    entries, notes = parsed('#include "<system>/there"\n#include "gone"\n#includeIfPresent "gone"\nlast 2;', tmp_path)
    assert entries == {"here": ["1"], "last": ["2"]}
    assert len(notes) == 1
    assert "#include gone at line 2 is left out" in notes[0]


@installed
def test_a_case_with_macros_is_read(tmp_path: Path) -> None:
    case = foam.cavity(tmp_path / "case", endTime=0.1)
    control = case / "system/controlDict"
    control.write_text(control.read_text() + "half 0.05;\ntwice #eval{ 2*$half };\nodd #eval{ vector(1,2,3) };\n")
    properties = case / "constant/transportProperties"
    properties.write_text(re.sub(r"nu\s.*;", "a 2; nu #eval{ $a/100 }; rho ${{ 600*$a }};", properties.read_text()))
    results = openfoam.read(case)
    assert results.parameters["kinematic_viscosity"] == (0.02, "m^2/s")
    assert results.parameters["density"] == (1200.0, "kg/m^3")
    assert [warning for warning in results.warnings if "controlDict: entry odd at line" in warning]
