"""Answers requests for the page's files."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.http.errors import APIError
from handlers.page.files import PageFile


class PageMiddleware:
    """Answers for the paths that the page has, and passes all others on. files: by path, see `read_files`."""

    def __init__(self, app: ASGIApp, files: Mapping[str, PageFile]) -> None:
        self._app, self._files = app, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            message = f"{scope['method']} is not possible at {scope['path']}; use GET"
            raise APIError(405, message, headers={"Allow": "GET, HEAD"})
        unchanged = file.etag in Headers(scope=scope).get("if-none-match", "")
        response = (
            Response(status_code=304, headers=file.headers)
            if unchanged
            else Response(file.content, headers=file.headers, media_type=file.media_type)
        )
        await response(scope, receive, send)
