"""The project's chores: `nox -l` lists them, `nox -s NAME` runs one."""

import nox

PROJECT = nox.project.load_toml("pyproject.toml")


@nox.session
def codegen(session: nox.Session) -> None:
    """Write generated/ from the vendored OpenAPI document and its overlay."""
    session.install(*nox.project.dependency_groups(PROJECT, "codegen"), "openapi-spec-validator>=0.8")
    session.run("python", "openapi/codegen.py", "generated")
