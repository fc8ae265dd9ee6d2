"""What to run: `nox -s demo`, `nox -s tests`, or plain `nox` for all the checks."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests", "docs"]

PROJECT = nox.project.load_toml(Path(__file__).with_name("pyproject.toml"))
IN_PARALLEL = ["-n", "auto"]  # tests/conftest.py says how many; `-- -n 0` undoes it
PYTHONS = ["3.11", "3.12", "3.13"]

# Tests start hundreds of processes, which would all compile what they import.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# pyenv keeps its interpreters off the PATH, where nox looks for them.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
BEHIND = [str(folder) for python in PYTHONS for folder in PYENV.glob(f"{python}.*/bin")]
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *BEHIND])


def install(session: nox.Session, *groups: str, package: bool = True) -> None:
    """Install dependency groups of pyproject.toml, and the package with both databases."""
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install(*wanted, *(["-e", ".[postgres]"] if package else []))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the floors."""
    install(session, "lint", package=False)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and with pyright, and that no public name lacks one."""
    install(session, "types")
    session.install("nox")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "bgjobs", "--ignoreexternal")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, PostgreSQL included; `nox -s tests -- tests/unit` runs some."""
    install(session, "test", "types")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session(name="tests-all", python=PYTHONS)
def tests_all(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and found here."""
    install(session, "test", "types")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write what is made of the code, build the site, run every program in the documents."""
    install(session, "types")
    session.run("python", "docs/pictures.py")
    session.run("python", "docs/lease.py")
    session.run("python", "docs/tables.py")
    build = ("--jobs=auto", "-W", "--keep-going", "--quiet", "docs", "docs/_build/html")
    session.run("sphinx-build", "--fresh-env", *build)
    session.run("pytest", *IN_PARALLEL, "tests/docs", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Digest the standard library; `nox -s demo -- PATH` takes another folder."""
    install(session, "demo")
    session.run("python", "examples/digest.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with other libraries; `nox -s bench -- extras`, or `growth`, measures more."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Break things at random; `nox -s chaos -- --store sqlite postgres --seconds 600`."""
    install(session, "test")
    session.run("python", "-m", "tests.chaos", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Play worlds under a virtual clock; `nox -s simulate -- --seeds 20000`."""
    install(session, "test")
    session.run("python", "-m", "tests.simulation", *session.posargs)
