"""
What is shipped works where the checkout is not.

The wheel is built and unpacked without a network: the tools come from the development environment, and so do
the libraries that the package depends on. It is whichever this machine can make, with C code or without;
tests/test_native_build.py makes both.
"""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Final

import attrs
import pytest

CHECKOUT: Final = Path(__file__).parents[1]
TEMPLATE: Final = CHECKOUT / "workspace_template"


@attrs.frozen
class Installed:
    """
    The wheel, unpacked into an environment of its own.

    Attributes:
        python: The interpreter of that environment.
        wheel: The wheel as it was built.
        elsewhere: An empty folder to run in.
    """

    python: Path
    wheel: Path
    elsewhere: Path

    def run(self, *arguments: str) -> str:
        """Run the interpreter, isolated, and hand back what it printed."""
        done = subprocess.run(
            [self.python, "-I", *arguments],
            cwd=self.elsewhere,
            env={"PATH": os.defpath, "HOME": str(self.elsewhere)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel once and unpack it beside the libraries that this interpreter has."""
    dist = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(dist),
        str(CHECKOUT),
    ]
    built = subprocess.run(command, cwd=dist, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = dist.glob("*.whl")

    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A folder named by a .pth file is put on the path, but its own .pth files are not read:
    # the libraries are there, and the checkout, if it is installed as editable, is not.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("".join(f"{library}\n" for library in sorted(libraries)))
    return Installed(root / "bin" / "python", wheel, tmp_path_factory.mktemp("elsewhere"))


def _files(root: Path) -> dict[str, bytes]:
    """Every file under *root*, but for the state that the program keeps to itself."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".reconciler" not in path.relative_to(root).parts
    }


def test_the_wheel_holds_the_package_and_the_template_only(installed: Installed) -> None:
    """The wheel carries the package, the workspace template and its own metadata, nothing else."""
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())
    template = {f"reconciler/workspace_template/{name}" for name in _files(TEMPLATE)}

    assert names >= template | {"reconciler/__init__.py", "reconciler/py.typed"}
    assert {part for name in names if not (part := name.partition("/")[0]).endswith(".dist-info")} == {
        "reconciler"
    }
    assert {name for name in names if name.startswith("reconciler/workspace_template/")} == template
    assert {Path(name).suffix for name in names if name.startswith("reconciler/native/")} <= {".py", ".so"}


def test_the_wheel_says_whether_it_is_for_one_platform(installed: Installed) -> None:
    """The name of the wheel tells a platform if compiled code is in it, and `any` if there is none."""
    with zipfile.ZipFile(installed.wheel) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".so")]

    assert installed.wheel.name.endswith("-none-any.whl") == (not compiled)


def test_the_checkout_is_out_of_sight(installed: Installed) -> None:
    """The package that these tests run is the one from the wheel."""
    where = Path(installed.run("-c", "import reconciler; print(reconciler.__file__)").strip())

    assert where.is_relative_to(installed.python.parents[1])


def test_the_version_is_the_same_everywhere(installed: Installed) -> None:
    """The version that the distribution carries is the one that the package names."""
    distribution = installed.run("-c", "from importlib.metadata import version; print(version('reconciler'))")
    package = installed.run("-c", "import reconciler; print(reconciler.__version__)")

    assert distribution == package


def test_init_writes_the_template(installed: Installed) -> None:
    """`reconcile init PATH`, run from a wheel, makes a workspace with the files of workspace_template/."""
    installed.run("-m", "reconciler", "init", "made")

    assert _files(TEMPLATE) == _files(installed.elsewhere / "made")
