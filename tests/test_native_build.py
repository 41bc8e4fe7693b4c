"""
The C code is built where it can be, and nothing is lost where it cannot.

Everything is built from a copy of the checkout that has a compiled file of an earlier build in it and no
`.gitignore`, without isolation and so without a network.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

CHECKOUT: Final = Path(__file__).parents[1]
COPIED: Final = "LICENSE README.md hatch_build.py pyproject.toml reconciler workspace_template".split()
MODULE: Final = "reconciler/native/_native.abi3.so"
STALE: Final = b"of an earlier build"
FALSE: Final = shutil.which("false") or "/bin/false"
TRUE: Final = shutil.which("true") or "/bin/true"

Run = subprocess.CompletedProcess[str]


def _can_compile() -> bool:
    """Whether this Python and this machine have what C code for Python needs."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "none").split()[0]
    return (
        sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and shutil.which(compiler) is not None
        and Path(sysconfig.get_path("include"), "Python.h").is_file()
    )


needs_compiler: Final = pytest.mark.skipif(
    not _can_compile(), reason="there is no C compiler for this Python"
)


def _copied(folder: Path) -> Path:
    """What builds need of the checkout, with the compiled file of an earlier build in it."""
    for name in COPIED:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(
                CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "tmp*")
            )
        else:
            shutil.copy(CHECKOUT / name, folder)
    (folder / MODULE).write_bytes(STALE)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout that no test changes."""
    return _copied(tmp_path_factory.mktemp("source"))


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A copy of the checkout that editable installs are made of."""
    return _copied(tmp_path)


def _build(kind: str, source: Path, dist: Path, **environment: str) -> Run:
    """Build a wheel or a source distribution of *source* into *dist*."""
    mine = {name: value for name, value in os.environ.items() if name != "RECONCILER_NATIVE"}
    command = [
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--no-isolation",
        "--outdir",
        str(dist),
        str(source),
    ]
    return subprocess.run(
        command, cwd=dist, env=mine | environment, capture_output=True, text=True, check=False
    )


def _hook(source: Path, version: str, monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str]) -> object:
    """Run the build hook alone, in an environment with *given*, and hand back the data of the build."""
    monkeypatch.delenv("RECONCILER_NATIVE", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    data: dict[str, Any] = {"force_include": {}}
    hook = WheelBuilder(str(source)).get_build_hooks(str(source))["custom"]
    hook.initialize(version, data)
    hook.finalize(version, data, "")
    return data


def _names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def native(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that a compiler makes."""
    dist = tmp_path_factory.mktemp("native")
    done = _build("wheel", source, dist)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "built without its C code" not in done.stderr
    (wheel,) = dist.glob("*.whl")
    return wheel


@needs_compiler
def test_a_compiler_makes_a_wheel_for_this_platform(native: Path) -> None:
    """With a compiler the wheel has the C code, compiled, and a name by which this Python may install it."""
    tags = parse_wheel_filename(native.name)[3]

    assert [name for name in _names(native) if name.endswith((".so", ".c", ".h"))] == [MODULE]
    assert {(tag.interpreter, tag.abi) for tag in tags} == {("cp311", "abi3")}
    assert tags & set(sys_tags())


@needs_compiler
def test_the_wheel_runs_what_was_compiled(native: Path, tmp_path: Path) -> None:
    """`reconciler.native` of a wheel that a compiler made has the C code."""
    shutil.unpack_archive(native, tmp_path, "zip")
    asked = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import reconciler.native as native; "
        "print(native.__file__, native.NATIVE is not None)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", asked],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == [str(tmp_path / "reconciler/native/__init__.py"), "True"], done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        pytest.param("CC", FALSE, f"{FALSE} ended with 1", id="no-compiler"),
        pytest.param("RECONCILER_NATIVE", "0", "RECONCILER_NATIVE=0", id="not-wanted"),
    ],
)
def test_without_the_c_code_the_wheel_is_pure(
    source: Path, tmp_path: Path, variable: str, value: str, why: str
) -> None:
    """Where nothing is compiled, one line on stderr says why; the wheel is pure and has no earlier build."""
    done = _build("wheel", source, tmp_path, **{variable: value})
    (wheel,) = tmp_path.glob("*.whl")

    assert done.returncode == 0
    assert [why in line for line in done.stderr.splitlines() if line.startswith("reconciler: ")] == [True]
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in _names(wheel) if name.endswith((".so", ".c", ".h"))]


@pytest.mark.parametrize("compiler", ["/no/such/compiler", TRUE, "'"], ids=["absent", "idle", "odd-quote"])
def test_however_it_fails_the_build_goes_on(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], compiler: str
) -> None:
    """A compiler that is not there, makes nothing, or has no readable name leaves a wheel as it was."""
    data = _hook(source, "standard", monkeypatch, {"CC": compiler})

    assert data == {"force_include": {}}
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_compiler_that_has_to_work_is_an_error(source: Path, tmp_path: Path) -> None:
    """With `RECONCILER_NATIVE=1` a compiler that fails ends the build, and there is no wheel."""
    done = _build("wheel", source, tmp_path, CC=FALSE, RECONCILER_NATIVE="1")

    assert done.returncode != 0
    assert f"{FALSE} ended with 1" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_leaves_its_source_alone(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a wheel neither replaces nor removes what an editable install has compiled."""
    before = sorted((source / MODULE).parent.iterdir())
    _hook(source, "standard", monkeypatch, {})
    _hook(source, "standard", monkeypatch, {"RECONCILER_NATIVE": "0"})

    assert (source / MODULE).read_bytes() == STALE
    assert sorted((source / MODULE).parent.iterdir()) == before


def test_a_source_distribution_has_the_source(source: Path, tmp_path: Path) -> None:
    """A source distribution has the C files and the build hook, and nothing that was compiled."""
    done = _build("sdist", source, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    code = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / MODULE).parent.glob("*.[ch]")}

    assert code
    assert names >= code | {"hatch_build.py"}
    assert not [name for name in names if name.endswith(".so")]


@needs_compiler
def test_an_editable_install_compiles_in_place(edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install has the C code beside its source, and nothing else is left there."""
    before = sorted((edited / MODULE).parent.iterdir())
    data = _hook(edited, "editable", monkeypatch, {"RECONCILER_NATIVE": "1"})

    assert data == {"force_include": {}}
    assert (edited / MODULE).read_bytes() != STALE
    assert sorted((edited / MODULE).parent.iterdir()) == before


@pytest.mark.parametrize(
    "given", [{"CC": FALSE}, {"RECONCILER_NATIVE": "0"}], ids=["no-compiler", "not-wanted"]
)
def test_an_editable_install_keeps_no_earlier_build(
    edited: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """Where an editable install goes on without the C code, what an earlier one has compiled is removed."""
    _hook(edited, "editable", monkeypatch, given)

    assert not (edited / MODULE).exists()


@pytest.mark.parametrize("given", [{}, {"RECONCILER_NATIVE": "0"}], ids=["wanted", "not-wanted"])
def test_a_place_that_cannot_be_changed_fails_no_install(
    edited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: dict[str, str]
) -> None:
    """Where the compiled file can be neither put nor removed, the install goes on and says what is left."""
    (edited / MODULE).unlink()
    (edited / MODULE).mkdir()
    (edited / MODULE / "x").touch()
    _hook(edited, "editable", monkeypatch, given)

    said = capsys.readouterr().err
    assert "built without its C code" in said
    assert f"remove {edited / MODULE}, which an earlier build has left" in said


def test_a_folder_without_the_compiled_file_that_cannot_be_changed(
    edited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same where nothing is left: nobody is told to remove anything."""
    shutil.rmtree((edited / MODULE).parent)
    _hook(edited, "editable", monkeypatch, {})

    said = capsys.readouterr().err
    assert "built without its C code" in said
    assert "remove" not in said
