"""The paths of the document: which one a request means, with its methods and the parameters of its queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any

from connexion.frameworks.starlette import starlettify_path
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.http.ignored import naming, unknown_queries

METHODS = ("get", "head", "put", "post", "delete", "patch", "options", "trace")


@dataclass(frozen=True)
class Route:
    """A path of the document. template: as it stands there. queries: by method, the parameters that a query may have.

    pattern: matches the paths of requests that mean it.
    """

    template: str
    pattern: Pattern[str]
    queries: Mapping[str, frozenset[str]]


class Routes:
    """The paths of a document. One without parameters goes before those with, as OpenAPI has it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        routes = [_route(template, path) for template, path in document["paths"].items()]
        self._plain = {route.template: route for route in routes if "{" not in route.template}
        self._others = [route for route in routes if "{" in route.template]

    def find(self, method: str, path: str) -> Route | None:
        """What a request means: of the routes that match its path the first with its method, or else the first."""
        found = self._matching(path)
        return next((route for route in found if method in route.queries), found[0] if found else None)

    def methods(self, path: str) -> list[str]:
        """Those that a request with this path may have, in the order of the document; [] where nothing is there."""
        return list(dict.fromkeys(method for route in self._matching(path) for method in route.queries))

    def _matching(self, path: str) -> list[Route]:
        if path in self._plain:
            return [self._plain[path]]
        return [route for route in self._others if route.pattern.match(path)]


class SlashMiddleware:
    """Takes slashes off the end of a path where the document has the rest, so that all behind it know one path."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/"):
            path = scope["path"].rstrip("/")
            if self._routes.find(scope["method"], path) is not None:
                scope = {**scope, "path": path}
        await self._app(scope, receive, send)


class RouteMiddleware:
    """Refuses a method that a path of the document does not have, with those that it has, and names parameters of
    queries that have no effect. Other paths it passes on."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if route is not None:
            if scope["method"] not in route.queries:
                raise HTTPException(405, headers={"Allow": ", ".join(self._routes.methods(scope["path"]))})
            ignored = unknown_queries(scope["query_string"], route.queries[scope["method"]])
            send = naming(ignored, send) if ignored else send
        await self._app(scope, receive, send)


def _route(template: str, path: Mapping[str, Any]) -> Route:
    shared = path.get("parameters", [])
    queries: dict[str, frozenset[str]] = {}
    types: dict[str, str] = {}
    for method in METHODS:
        if method not in path:
            continue
        parameters = [*shared, *path[method].get("parameters", [])]
        types |= {each["name"]: _type(each["schema"]) for each in parameters if each["in"] == "path"}
        names = frozenset(each["name"] for each in parameters if each["in"] == "query")
        queries |= dict.fromkeys(["GET", "HEAD"] if method == "get" else [method.upper()], names)
    pattern, _, _ = compile_path(starlettify_path(template, types))
    return Route(template, pattern, queries)


def _type(schema: Mapping[str, Any]) -> str:
    """What Connexion calls a parameter of a path."""
    return "path" if schema.get("format") == "path" else str(schema.get("type"))
