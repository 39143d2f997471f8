"""
``/mcap`` and ``/manifest``: a selection of the store as a file, for viewers and for downloads.

Foxglove's "Open remote file" reads the end of the file first, then the chunks that it shows; it
wants a path that ends with ``.mcap``, so there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse, Response

from twinsight_bridge.remote_file.file_name import download_name, kept_name
from twinsight_bridge.remote_file.file_plan import FilePlan
from twinsight_bridge.remote_file.file_reader import FileChangedError
from twinsight_bridge.remote_file.manifest import Manifest, manifest_of
from twinsight_bridge.remote_file.ranges import CONDITIONS, part_of
from twinsight_bridge.remote_file.remote_files import RemoteFiles
from twinsight_bridge.web.errors import Problem
from twinsight_bridge.web.header_text import header_text
from twinsight_bridge.web.moments import unix_seconds
from twinsight_bridge.web.selection_query import SelectionQuery
from twinsight_bridge.web.streaming import StreamedResponse, while_connected
from twinsight_store.selection import Selection

MEDIA_TYPE = 'application/mcap'
_VERSION = 'version'


def _files_of(connection: HTTPConnection) -> RemoteFiles:
    files: RemoteFiles = connection.app.state.remote_files
    return files


FilesOfApp = Annotated[RemoteFiles, Depends(_files_of)]
Version = Annotated[
    str | None,
    Query(
        description='The file is to be this one, as a manifest named it: its ETag without quotes. '
        'Where there is another by now the answer is 410.',
    ),
]
FileName = Annotated[
    str, Path(description='How the file is to be called; any name will do.', examples=['drive'])
]

router = APIRouter(tags=['files'])

_BYTES = {'type': 'string', 'format': 'binary'}
_FILE: dict[str, Any] = {'content': {MEDIA_TYPE: {'schema': _BYTES}}}
_GET: dict[str, Any] = {
    'response_class': Response,
    'responses': {
        200: {**_FILE, 'description': 'The file.'},
        206: {**_FILE, 'description': 'The part of the file that Range asks for.'},
        304: {'description': 'The file is still the one that If-None-Match names.'},
        404: {'model': Problem, 'description': 'Nothing matches the selection.'},
        409: {
            'model': Problem,
            'description': 'The data changed since the file was opened: open it again.',
        },
        410: {'model': Problem, 'description': 'There is another version by now.'},
        412: {'model': Problem, 'description': 'The file is not the one that If-Match names.'},
        416: {'model': Problem, 'description': 'Range asks for what is behind the end.'},
        503: {'model': Problem, 'description': 'The store is away, or asked by too many.'},
    },
}


@router.get('/mcap', summary='A selection as an MCAP file', **_GET)
@router.head('/mcap', include_in_schema=False)
async def get_mcap(
    request: Request, selection: SelectionQuery, files: FilesOfApp, version: Version = None
) -> Response:
    """
    Return messages, metrics and events of a selection as one MCAP file.

    It has an index, is not compressed, and holds what `to_mcap` exports. The same selection of
    unchanged data is the same file, byte for byte, with the same ETag. It can be read from any
    place (Range), while the robot goes on recording too.
    """
    return await _answer(request, selection, files, version, download_name(selection))


@router.get('/mcap/{file_name}.mcap', summary='The same, for viewers', **_GET)
@router.head('/mcap/{file_name}.mcap', include_in_schema=False)
async def get_named_mcap(
    request: Request, file_name: FileName, selection: SelectionQuery, files: FilesOfApp,
    version: Version = None,
) -> Response:
    """
    Return what `/mcap` does.

    Foxglove's "Open remote file" accepts only paths that end with `.mcap`.
    """
    return await _answer(request, selection, files, version, f'{file_name}.mcap')


@router.get(
    '/manifest', summary="Manifest for Foxglove's remote data loader",
    response_model_exclude_none=True,
    responses={404: {'model': Problem, 'description': 'Nothing matches the selection.'}},
)
async def get_manifest(
    request: Request, selection: SelectionQuery, files: FilesOfApp
) -> Manifest:
    """
    Return the manifest of a selection, with one source: the selection's MCAP file.

    Times that count from now are in the file's URL as the times that they were.
    """
    plan = await while_connected(
        request, files.opened(_name_of(request, selection), selection)
    )
    times = {
        'from': selection.from_ns,
        'to': plan.end_ns + 1 if selection.to_ns is None else selection.to_ns,
    }
    given = [each for each in request.query_params.multi_items() if each[0] not in times]
    fixed = [(name, unix_seconds(at_ns)) for name, at_ns in times.items() if at_ns is not None]
    query = urlencode([*given, *fixed, (_VERSION, plan.version)])
    return manifest_of(plan, f'mcap/{download_name(selection)}?{query}')


async def _answer(
    request: Request, selection: Selection, files: RemoteFiles, version: str | None,
    file_name: str,
) -> Response:
    name = _name_of(request, selection)
    try:
        plan = await while_connected(
            request, _plan(request.headers, selection, files, version, name)
        )
        part = part_of(request.headers, plan.etag, plan.size, request.method == 'GET')
        headers = _headers(plan, file_name)
        if part.status == 304:
            return Response(status_code=304, headers=headers)
        if part.status == 412:
            return JSONResponse({'detail': f'the file is {plan.etag} by now'}, 412, headers)
        if part.status == 416:
            headers['Content-Range'] = f'bytes */{plan.size}'
            return JSONResponse({'detail': f'the file has {plan.size} bytes'}, 416, headers)
        headers['Content-Length'] = str(part.stop - part.start)
        if part.status == 206:
            headers['Content-Range'] = f'bytes {part.start}-{part.stop - 1}/{plan.size}'
        if request.method == 'HEAD':
            return Response(headers=headers, media_type=MEDIA_TYPE)
        answer = await while_connected(request, StreamedResponse.of(
            files.read(name, plan, part.start, part.stop), MEDIA_TYPE, headers
        ))
    except FileChangedError as error:
        raise HTTPException(409, str(error)) from error
    answer.status_code = part.status
    return answer


async def _plan(
    headers: Mapping[str, str], selection: Selection, files: RemoteFiles, version: str | None,
    name: str,
) -> FilePlan:
    """Return the file that a request is for: a range alone is for the one that was opened."""
    if 'range' in headers and not any(each in headers for each in CONDITIONS):
        plan = await files.read_on(name, selection)
        if version in (None, plan.version):
            return plan
    plan = await files.opened(name, selection)
    if version not in (None, plan.version):
        raise HTTPException(410, f'the file is {plan.etag} by now: ask for its manifest again')
    return plan


def _name_of(request: Request, selection: Selection) -> str:
    given = [each for each in request.query_params.multi_items() if each[0] != _VERSION]
    return kept_name(given, selection)


def _headers(plan: FilePlan, file_name: str) -> dict[str, str]:
    name = header_text(file_name).replace('"', '%22')
    return {
        'Accept-Ranges': 'bytes',
        'ETag': plan.etag,
        # A cache that puts old and new parts together would make a file that never was.
        'Cache-Control': 'no-store, no-transform',
        'Content-Disposition': f'attachment; filename="{name}"',
    }
