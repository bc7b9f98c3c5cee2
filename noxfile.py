"""The project's chores: `nox -l` lists them, `nox -s NAME` runs one."""

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PINS = ("-q", "-c", "constraints.txt")


def install(session: nox.Session, *groups: str) -> None:
    """The project itself, editable, and the dependency groups named."""
    session.install(*PINS, "-e", ".", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def codegen(session: nox.Session) -> None:
    """Write generated/ from the vendored OpenAPI document and its overlay."""
    session.install(*PINS, *nox.project.dependency_groups(PROJECT, "codegen"))
    session.run("python", "openapi/codegen.py", "generated")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common faults (ruff); `nox -s lint -- --fix` mends what can be mended."""
    session.install(*PINS, "ruff")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if session.posargs else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Static types (mypy)."""
    install(session, "types", "train")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite; arguments go to pytest."""
    install(session, "tests", "codegen", "train")
    session.install(*PINS, "--no-deps", "trl")  # its chat templates are test data; its dependencies are not wanted
    session.run("pytest", *session.posargs)


@nox.session
def grammar(session: nox.Session) -> None:
    """Constraints, all of it: every development schema against validators and llguidance (ten minutes); for pytest."""
    install(session, "tests")
    session.run("pytest", "tests/backend/grammar", "tests/grammar_suite", *session.posargs)


@nox.session
def serve(session: nox.Session) -> None:
    """Run the server from this checkout; arguments go to `jaxchat serve`."""
    install(session)
    session.run("jaxchat", "serve", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Decoding speed side by side with transformers; arguments go to the script."""
    install(session)
    session.install(*PINS, "torch")
    session.run("python", "-m", "benchmarks.decode", *session.posargs)


@nox.session
def bench_grammar(session: nox.Session) -> None:
    """What constraints cost in a model, then side by side with llguidance and xgrammar; arguments are for that."""
    install(session, "bench-grammar")
    if not session.posargs:
        session.run("python", "-m", "benchmarks.constrained")
    session.run("python", "-m", "benchmarks.grammar", *session.posargs)


@nox.session
def train_tiny(session: nox.Session) -> None:
    """Train the bundled model anew (45 minutes on two cores, replaces it); arguments go to the recipe."""
    install(session, "train")
    session.run("python", "-m", "backend.tiny.train", *session.posargs)
