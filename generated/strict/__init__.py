"""The merged OpenAPI document and pydantic models of its schemas. Written by `nox -s codegen` only."""
