"""`/threads/{thread_id}/messages/{message_id}/files`, which v1 had: the files of a message, one by one."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.dialects.objects import file_ids
from kernelci.api.paging import cut, listing, page
from kernelci.api.request import ApiRequest, json_response, read_query
from kernelci.errors import NotFound
from kernelci.protocol.objects import Message
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.requests import ListQuery


async def list_(request: ApiRequest) -> Response:
    """`GET .../files`."""
    query = read_query(request, ListQuery)
    message = await _message(request)
    shown, more = cut(file_ids(message), page(query))
    return json_response(listing([_shown(message, id) for id in shown], has_more=more))


async def retrieve(request: ApiRequest) -> Response:
    """`GET .../files/{file_id}`."""
    message, id = await _message(request), request.path_params["file_id"]
    if id not in file_ids(message):
        raise NotFound(f"No file found with id '{id}'.")
    return json_response(_shown(message, id))


async def _message(request: ApiRequest) -> Message:
    ids = request.path_params
    return await request.state["service"].store.get(Message, ids["message_id"], within=ids["thread_id"])


def _shown(message: Message, file_id: str) -> JsonObject:
    """The object: a file is a message's from the message's beginning."""
    return {
        "id": file_id,
        "object": "thread.message.file",
        "created_at": message.created_at,
        "message_id": message.id,
    }
