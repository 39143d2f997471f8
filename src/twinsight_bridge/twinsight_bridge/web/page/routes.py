"""GET / and what is below /page: the landing page, for people with a browser."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.remote_file.ranges import part_of
from twinsight_bridge.web.page.files import FRONT, page_files, PageFile
from twinsight_bridge.web.replay_sessions import viewer_url

_POLICY = '; '.join((
    # Nothing but this server's own files is run, shown or asked, and no text becomes markup.
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'",
))
_HEADERS = {
    'Cache-Control': 'no-cache',  # kept, and asked for again with its ETag
    'Content-Security-Policy': _POLICY,
    'Referrer-Policy': 'no-referrer',
}
_READ = ['GET', 'HEAD']

router = APIRouter(include_in_schema=False)


@router.api_route('/', methods=_READ)
async def front(request: Request) -> Response:
    """Return the page."""
    return _answer(request, page_files()[FRONT])


@router.api_route('/page/config.json', methods=_READ)
async def config(request: Request) -> Response:
    """Return where the bridge is, and whether robots can be sent commands."""
    settings: ActingSettings = request.app.state.acting.settings
    told = {
        'bridge_url': settings.viewer_url or viewer_url(
            settings.bridge_url, request.url.hostname or ''
        ),
        'commands': bool(settings.commands),
    }
    return JSONResponse(told, headers=_HEADERS)


@router.api_route('/page/{name}', methods=_READ)
async def file(request: Request, name: str) -> Response:
    """Return one of its files."""
    found = page_files().get(name)
    if found is None:
        raise HTTPException(404)
    return _answer(request, found)


def _answer(request: Request, found: PageFile) -> Response:
    headers = {**_HEADERS, 'ETag': found.etag}
    status = part_of(request.headers, found.etag, len(found.content), ranges=False).status
    if status != 200:
        return Response(status_code=status, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)
