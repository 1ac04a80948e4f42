"""Whether this checkout can be released: sdist and wheel are built, looked into, and each installed in bare virtual
environments, without extras and with each extra alone, where every command is run in an empty folder (smoke.py).

    python tests/release/check.py [--artefacts wheel sdist] [--extras bare play ...] [--borrow] [--dist FOLDER]

--borrow links PyTorch and what it brings for CUDA (4 GB) from the environment that runs this, in place of downloading
them for every environment; all else is installed. It takes minutes an environment all the same.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from email.parser import BytesParser
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
LARGEST = 30_000_000  # bytes of a wheel
TOOLS = ("build", "twine")
BARE = "bare"  # in place of an extra's name: none
NOT_FOR_USERS = {"dev"}
HEAVY = re.compile(r"torch|torchvision|triton|(nvidia|cuda)-.*")
SHIPPED = ("videovq/pretrained", "videovq/play", "configs")
"""Of what is no Python, all files must be in the wheel."""


def run(*words: str | Path, cwd: Path | None = None) -> None:
    """A command that must succeed, without this checkout on its path."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([str(word) for word in words], cwd=cwd or ROOT, env=outside, check=True)


def environment(folder: Path) -> Path:
    """A new virtual environment; returns its Python."""
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def build(dist: Path, tools: Path) -> None:
    """Write a wheel and an sdist to an empty folder."""
    python = environment(tools)
    run(python, "-m", "pip", "install", "--quiet", *TOOLS)
    run(python, "-m", "build", "--outdir", dist, ROOT)
    run(python, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))


def tracked(*folders: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, stdout=-1, check=True, text=True)
    return listed.stdout.splitlines()


def version() -> str:
    """The version by the one place that says it."""
    return re.findall(r'^__version__ = "(.+)"', (ROOT / "videovq/__init__.py").read_text(encoding="utf-8"), re.M)[0]


def faults_of_wheel(path: Path, files: list[str]) -> list[str]:
    """What is wrong with a wheel.

    Args:
        files: of the checkout, that must be in it.
    """
    with ZipFile(path) as packed:
        names = set(packed.namelist())
    faults = [f"lacks {file}" for file in files if re.sub(r"^configs/", "videovq/configs/", file) not in names]
    faults += [f"has {name}" for name in sorted(names) if not name.startswith(("videovq/", f"videovq-{version()}."))]
    if path.stat().st_size >= LARGEST:
        faults.append(f"has {path.stat().st_size:,} bytes, of {LARGEST:,} at most")
    if path.name.split("-")[1] != version():
        faults.append(f"is not of version {version()}")
    return faults


def faults_of_sdist(path: Path, files: list[str]) -> list[str]:
    """What is wrong with an sdist."""
    with tarfile.open(path) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    return [f"lacks {file}" for file in files if file not in names]


def extras_of(wheel: Path) -> list[str]:
    """The extras of a wheel by its metadata, but for those that only its developers need."""
    with ZipFile(wheel) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        fields = BytesParser().parsebytes(packed.read(name))
    return sorted({*fields.get_all("Provides-Extra", [])} - NOT_FOR_USERS)


def borrow(python: Path, folder: Path) -> None:
    """Let an environment find the heavy packages of the one that runs this; and none else of it."""
    folder.mkdir()
    for package in metadata.distributions():
        if HEAVY.fullmatch(package.metadata["Name"].lower()):
            for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
                link = folder / top
                if not link.exists():
                    link.symlink_to(package.locate_file(top))
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(asked, stdout=-1, text=True, check=True).stdout.strip()
    Path(packages, "borrowed.pth").write_text(f"{folder}\n")


def install_and_run(artefact: Path, extra: str, borrowed: bool, folder: Path) -> None:
    """Install in a new environment, and run every command there."""
    python = environment(folder / "env")
    if borrowed:
        borrow(python, folder / "borrowed")
    wanted = str(artefact) if extra == BARE else f"{artefact}[{extra}]"
    run(python, "-m", "pip", "install", "--quiet", wanted)
    run(python, "-m", "pip", "check")
    (folder / "empty").mkdir()
    run(python, ROOT / "tests/release/smoke.py", *([] if extra == BARE else [extra]), cwd=folder / "empty")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artefacts", nargs="+", default=["wheel", "sdist"], choices=["wheel", "sdist"])
    parser.add_argument("--extras", nargs="*", help="bare: none; without this: none, then each")
    parser.add_argument("--borrow", action="store_true", help="link PyTorch from the environment that runs this")
    parser.add_argument("--dist", type=Path, help="keep what was built in this folder, which must be new")
    given = parser.parse_args()
    if given.borrow and find_spec("torch") is None:
        parser.error("--borrow: there is no PyTorch here; run this with .venv/bin/python")
    with tempfile.TemporaryDirectory(prefix="videovq-release-") as name:
        scratch = Path(name)
        dist = given.dist or scratch / "dist"
        build(dist, scratch / "tools")
        [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
        code = [file for file in tracked("videovq") if file.endswith(".py")]
        faults = [f"{wheel.name} {fault}" for fault in faults_of_wheel(wheel, [*code, *tracked(*SHIPPED)])]
        faults += [f"{sdist.name} {fault}" for fault in faults_of_sdist(sdist, tracked("videovq", "configs", "tests"))]
        if faults:
            print("\n".join(faults))
            return 1
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
        extras = [BARE, *extras_of(wheel)] if given.extras is None else given.extras
        paths = {"wheel": wheel, "sdist": sdist}
        for number, (kind, extra) in enumerate((kind, extra) for kind in given.artefacts for extra in extras):
            began, folder = time.monotonic(), scratch / str(number)
            folder.mkdir()
            try:
                install_and_run(paths[kind], extra, given.borrow, folder)
            except subprocess.CalledProcessError as error:
                print(f"{kind}, {extra}: {error}")
                return 1
            shutil.rmtree(folder)
            print(f"{kind}, {extra}: installed and every command run, in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
