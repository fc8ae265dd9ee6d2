"""What to run: `nox -s demo`, `nox -s tests`, or plain `nox` for all the checks."""

import filecmp
import os
import shutil
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests", "docs", "build"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
IN_PARALLEL = ["-n", "auto"]  # tests/conftest.py sets how many; `-- -n 0` turns it off
PYTHONS = ["3.11", "3.12", "3.13"]
OTHERS = [python for python in PYTHONS if python != "{}.{}".format(*sys.version_info)]
"""All except the one that nox itself runs on; sessions without a version use that one."""
SAME_EVERYWHERE = [
    *("tests/docs", "tests/integration", "tests/misuse", "tests/reliability"),
    *("tests/security", "tests/sql", "tests/typing"),
]
"""Tests of documents, databases, arguments, types and of the order of events, on any Python."""
BETWEEN = ["tests/unit", "tests/contract", "tests/runtime"]
"""What is tested on a Python between two others on which most tests run."""
COVERAGE = ["--cov", "--cov-report=term-missing:skip-covered"]
"""Measures what the processes of pytest run; the settings are those of pyproject.toml."""
PLUGIN = "pytest_bgjobs.py"
MAIN = "origin/main"
"""The branch whose changes of the package need a fragment in changes/."""
SERVERS = {
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
    "pgbouncer": "/usr/sbin/pgbouncer",
}
"""The Debian packages that `field` needs, and a program of each."""
BROWSER = {"chromium": "/usr/bin/chromium"}
"""The same of `browser`."""
SCHEMAS = {
    "github-workflows": ".github/workflows/*.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[0-9]*.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "dependabot": ".github/dependabot.yml",
}
"""The schemas of check-jsonschema, and the files that follow each."""
TESTED_AS_INSTALLED = [
    "tests/unit/test_import.py",
    "tests/runtime/client/test_job_lifecycle.py",
    "tests/testing/test_pytest_plugin.py",
    "tests/e2e/test_package.py",
    "tests/e2e/test_examples.py",
]

# Tests start hundreds of processes; without cached bytecode each compiles what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# nox looks for interpreters on the PATH, where those of pyenv are not.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
BEHIND = [str(folder) for python in PYTHONS for folder in PYENV.glob(f"{python}.*/bin")]
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *BEHIND])


def install(session: nox.Session, *groups: str, package: bool = True) -> None:
    """Install dependency groups of pyproject.toml, and the package with both databases."""
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install(*wanted, *(["-e", ".[postgres]"] if package else []))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, which package imports which, and the files of .github."""
    install(session, "lint", package=False)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-logo")
    for schema, files in SCHEMAS.items():
        found = map(str, ROOT.glob(files))
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *found)
    session.run("zizmor", "--offline", "--quiet", ".github")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that every public name has a type."""
    install(session, "types")
    session.install("nox")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "bgjobs", "--ignoreexternal")


@nox.session
def changes(session: nox.Session) -> None:
    """Check what differs from a base, such as `main`: `nox -s changes -- BASE`.

    A change of the package has a fragment in changes/, and the floor of the coverage does not
    fall.
    `-- --draft` shows the next section of the changes, and `-- --build` writes it.
    """
    install(session, "changes", package=False)
    write = ("towncrier", "build", "--version", PROJECT["project"]["version"])
    base = next(iter(session.posargs), MAIN)
    if base in ("--draft", "--build"):
        session.run(*write, "--draft" if base == "--draft" else "--yes")
    elif session.posargs or git(session, "rev-parse", "--verify", "--quiet", base):
        check_floor(session, base)
        if git(session, "diff", "--name-only", f"{base}...", "--", "bgjobs", PLUGIN):
            session.run("towncrier", "check", "--compare-with", base)
    else:
        session.log(f"not checked: git does not know {base}; run nox -s changes -- BASE")


def check_floor(session: nox.Session, base: str) -> None:
    """Stop the session if the base has a higher floor of the coverage."""
    before = tomllib.loads(git(session, "show", f"{base}:pyproject.toml"))["tool"]
    old = before.get("coverage", {}).get("report", {}).get("fail_under", 0)
    new = PROJECT["tool"]["coverage"]["report"]["fail_under"]
    if new < old:
        session.error(f"the floor of the coverage fell from {old} to {new}; it may only rise")


def git(session: nox.Session, *arguments: str) -> str:
    """Return what git prints; nothing if `rev-parse --quiet` does not know a name."""
    codes = [0, 1] if "--quiet" in arguments else [0]
    return str(session.run("git", *arguments, external=True, silent=True, success_codes=codes))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, PostgreSQL included; `nox -s tests -- tests/unit` runs some."""
    install(session, "test", "types")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def field(session: nox.Session) -> None:
    """Run applications on real servers; `nox -s field -- -k promotion` runs some.

    The session needs the Debian packages postgresql-15 and pgbouncer.
    """
    check_installed(session, SERVERS)
    install(session, "test")
    # Two processes, so that what is measured does not wait for a processor.
    wheel = {"BGJOBS_TEST_POSTGRES": ""}  # the other server that Debian's is compared with
    session.run("pytest", "-n", "2", "tests/field", *session.posargs, env=wheel)


@nox.session
def browser(session: nox.Session) -> None:
    """Open the web page in Chromium; `nox -s browser -- -k login` runs some.

    `nox -s browser -- --pictures` takes the pictures of the documentation instead. The session
    needs the Debian package chromium.
    """
    check_installed(session, BROWSER)
    install(session, "browser")
    if "--pictures" in session.posargs:
        session.run("python", "-m", "tests.browser.pictures")
    else:
        session.run("pytest", "tests/browser", *session.posargs)


def check_installed(session: nox.Session, programs: Mapping[str, str]) -> None:
    """Stop the session unless the program of each of these Debian packages is there."""
    missing = [name for name, path in programs.items() if not Path(path).exists()]
    if missing:
        packages = " ".join(missing)
        session.error(f"run first: apt-get install --no-install-recommends {packages}")


@nox.session(name="tests-all", python=PYTHONS)
def tests_all(session: nox.Session) -> None:
    """Run the tests on every supported Python that is installed."""
    install(session, "test", "types")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session(name="tests-others", python=OTHERS)
def tests_others(session: nox.Session) -> None:
    """Run tests that are not slow on the supported Pythons other than that of nox.

    Most of them run on the first and the last Python, and on one between the main ones. The
    last session measures the coverage, and fails below the floor.
    """
    install(session, "test", "types")
    left_out = [f"--ignore={folder}" for folder in SAME_EVERYWHERE]
    chosen = BETWEEN if session.python in PYTHONS[1:-1] else left_out
    measured = COVERAGE if session.python == OTHERS[-1] and not session.posargs else []
    session.run("pytest", *IN_PARALLEL, "-m", "not slow", *chosen, *measured, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Print the lines and branches that the tests of `tests-others` do not reach.

    `nox -s coverage -- tests/web` runs others, and does not fail below the floor.
    """
    install(session, "test", "types")
    left_out = [f"--ignore={folder}" for folder in SAME_EVERYWHERE]
    chosen = ["--cov-fail-under=0", *session.posargs] if session.posargs else left_out
    session.run("pytest", *IN_PARALLEL, "-m", "not slow", *COVERAGE, *chosen)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages, build the site, and run every program in the documents."""
    install(session, "types")
    build_site(session)
    session.run("pytest", *IN_PARALLEL, "tests/docs", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Write the generated pages and build the site, without the tests of the documents."""
    install(session, "types")
    build_site(session)


def build_site(session: nox.Session) -> None:
    """Write the generated pages, and build the site with warnings as errors."""
    session.run("python", "docs/tables.py")
    build = ("--jobs=auto", "-W", "--keep-going", "--quiet", "docs", "docs/_build/html")
    session.run("sphinx-build", "--fresh-env", *build)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the sdist into dist/, install them as a user would, and test them."""
    session.install("build", *PROJECT["build-system"]["requires"], "twine")
    folder = emptied(Path(session.create_tmp()).resolve())
    dist, direct = emptied(ROOT / "dist"), folder / "direct"
    make = ("python", "-m", "build", "--no-isolation", "--outdir")
    session.run(*make, str(dist), silent=True)  # this builds the wheel from the sdist
    session.run(*make, str(direct), "--wheel", silent=True)
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    if not filecmp.cmp(wheel, direct / wheel.name, shallow=False):
        session.error("the wheel built from the sdist differs from the one built directly")
    check_is_complete(session, wheel)
    test_installed(session, wheel, sdist, folder)


def check_is_complete(session: nox.Session, wheel: Path) -> None:
    """Stop the session unless the wheel contains every source file and no other."""
    with zipfile.ZipFile(wheel) as opened:
        built = {name for name in opened.namelist() if ".dist-info/" not in name}
    sources = [path for path in (ROOT / "bgjobs").rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(ROOT)) for path in sources if path.suffix != ".pyc"}
    wanted.add(PLUGIN)
    if built != wanted:
        session.error(f"only in the wheel or only in the sources: {sorted(built ^ wanted)}")


def test_installed(session: nox.Session, wheel: Path, sdist: Path, folder: Path) -> None:
    """Run an example with the wheel alone, then tests of the sdist without its package."""
    python = str(folder / "venv" / "bin" / "python")
    session.run("python", "-m", "venv", str(folder / "venv"))
    with tarfile.open(sdist) as opened:
        opened.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(source / "bgjobs")
    (source / PLUGIN).unlink()
    with session.chdir(source):
        pip = (python, "-m", "pip", "install", "--quiet")
        session.run(*pip, str(wheel), external=True)
        session.run(python, "-c", "import bgjobs; print(bgjobs.__version__)", external=True)
        session.run(python, "examples/quickstart.py", external=True)
        session.run(*pip, *nox.project.dependency_groups(PROJECT, "test"), external=True)
        session.run(python, "-m", "pytest", *IN_PARALLEL, *TESTED_AS_INSTALLED, external=True)


@nox.session(python=OTHERS)
def wheel(session: nox.Session) -> None:
    """Run an example and the command with the wheel of `nox -s build`, on the other Pythons."""
    built = [str(path) for path in (ROOT / "dist").glob("*.whl")]
    if len(built) != 1:
        session.error(f"expected the wheel of `nox -s build` in dist/, found {built}")
    session.install("--force-reinstall", "--no-deps", *built)
    session.install(f"{built[0]}[cli]")
    with session.chdir(session.create_tmp()):  # the sources are not importable from there
        session.run("python", "-c", "import bgjobs; print(bgjobs.__file__)")
        session.run("bgjobs", "--version")
        session.run("python", str(ROOT / "examples" / "quickstart.py"))


def emptied(folder: Path) -> Path:
    """Create the folder anew and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@nox.session
def demo(session: nox.Session) -> None:
    """Run an example over the standard library; `nox -s demo -- PATH` takes another folder.

    `nox -s demo -- --web` serves the web page of its jobs while they run.
    `--wordcount` runs the example of nurseries instead, with the other arguments.
    """
    install(session, "demo", *(["demo-web"] if "--web" in session.posargs else []))
    others = [argument for argument in session.posargs if argument != "--wordcount"]
    program = "wordcount" if others != session.posargs else "digest"
    session.run("python", f"examples/{program}.py", *others)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with other libraries; `nox -s bench -- extras` or `growth` measures more."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def size(session: nox.Session) -> None:
    """Count files and lines of code; `nox -s size -- COMMIT` counts those of a commit, too."""
    session.install("attrs")
    session.run("python", "-m", "benchmarks.report.code_size", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Inject random failures; `nox -s chaos -- --store sqlite postgres --seconds 600`."""
    install(session, "test")
    session.run("python", "-m", "tests.reliability.chaos", *session.posargs)


@nox.session
def hostile(session: nox.Session) -> None:
    """Run an application beside hostile rows; `nox -s hostile -- --rows 10000 --seed 7`."""
    install(session, "test")
    session.run("python", "-m", "tests.reliability.hostile_rows", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Weaken each fence of the SQL statements, and see that a check of the contract fails."""
    install(session, "test")
    session.run("python", "-m", "tests.sql", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate applications under a virtual clock; `nox -s simulate -- --seeds 20000`."""
    install(session, "test")
    session.run("python", "-m", "tests.reliability.simulation", *session.posargs)
