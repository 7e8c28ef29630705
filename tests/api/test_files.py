"""Uploads and downloads: every form a client may send, and what must not get through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.api.multipart import Multipart
from kernelci.engine.service import Service
from kernelci.errors import InvalidRequest
from kernelci.protocol.objects import File
from tests.api.conftest import answered, app_of, client_of, service_in

PURPOSE = b'Content-Disposition: form-data; name="purpose"\r\n\r\nassistants'
TYPED = {"content-type": 'multipart/form-data; boundary="b=1"'}


def file_part(data: bytes = b"a,b", disposition: str = 'filename="a.csv"') -> bytes:
    return f'Content-Disposition: form-data; name="file"; {disposition}\r\n\r\n'.encode() + data


def form(*parts: bytes, end: bytes = b"--b=1--\r\n") -> bytes:
    return b"".join(b"--b=1\r\n" + part + b"\r\n" for part in parts) + end


async def upload(api: httpx2.AsyncClient, *parts: bytes, path: str = "/v1/files") -> httpx2.Response:
    return await api.post(path, content=form(*parts), headers=TYPED)


def kept(service: Service) -> list[Path]:
    """All the bytes in the store."""
    return [path for path in (service.settings.data_dir / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("parts", [(PURPOSE, file_part()), (file_part(), PURPOSE)], ids=["before", "after"])
async def test_the_purpose_may_come_before_the_file_or_after(
    api: httpx2.AsyncClient, parts: tuple[bytes, bytes]
) -> None:
    response = await upload(api, *parts)
    assert response.status_code == 200
    file = answered(response)
    assert {key: file[key] for key in ("bytes", "filename", "purpose", "status")} == {
        "bytes": 3,
        "filename": "a.csv",
        "purpose": "assistants",
        "status": "processed",
    }
    assert file["id"].startswith("file-")
    assert (await api.get(f"/v1/files/{file['id']}/content")).content == b"a,b"


async def test_files_of_azure_clients_have_ids_of_their_own(api: httpx2.AsyncClient) -> None:
    for path in ("/openai/files?api-version=2024-05-01-preview", "/openai/v1/files"):
        file = (await upload(api, PURPOSE, file_part(), path=path)).json()
        assert file["id"].startswith("assistant-")
        assert (await api.get(f"/v1/files/{file['id']}")).json() == file


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="text/csv"', "text/csv"),
        ('filename="../../etc/passwd"', "../../etc/passwd"),
        ('filename="נתונים.csv"', "נתונים.csv"),
        ("filename=\"=?utf-8?B?16k=?=\"; filename*=utf-8''%D7%A9.csv", "ש.csv"),
        (r'filename="a \"quoted\"; name=x.csv"', 'a "quoted"; name=x.csv'),
        ('filename=""', "upload"),
        ("x=y", "upload"),
    ],
)
async def test_a_filename_is_stored_as_given(api: httpx2.AsyncClient, disposition: str, filename: str) -> None:
    assert (await upload(api, PURPOSE, file_part(disposition=disposition))).json()["filename"] == filename


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("a.csv", 'attachment; filename="a.csv"'),
        ("/mnt/data/a b.csv", "attachment; filename*=utf-8''a%20b.csv"),
        ("נתונים.csv", "attachment; filename*=utf-8''%D7%A0%D7%AA%D7%95%D7%A0%D7%99%D7%9D.csv"),
        ('x"; filename="evil.html', "attachment; filename*=utf-8''x%22%3B%20filename%3D%22evil.html"),
        ("a\nset-cookie: x=y", "attachment; filename*=utf-8''a%0Aset-cookie%3A%20x%3Dy"),
    ],
)
async def test_a_download_names_its_file_and_nothing_else(
    api: httpx2.AsyncClient, filename: str, disposition: str
) -> None:
    escaped = filename.replace("\\", "\\\\").replace('"', '\\"')
    file = (await upload(api, PURPOSE, file_part(disposition=f'filename="{escaped}"'))).json()
    path = f"/v1/files/{file['id']}/content"
    for response in (await api.get(path), await api.head(path)):
        assert response.headers["content-disposition"] == disposition
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-length"] == "3"
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("filename", "named"),
    [
        ("a\ud83d b.csv", "filename*=utf-8''a%3F%20b.csv"),
        ("x" * 1_000_000 + ".csv", f'filename="{"x" * 251}.csv"'),
    ],
    ids=["half a surrogate pair", "endless"],
)
async def test_a_name_that_no_header_can_hold_keeps_nobody_from_the_file(
    service: Service, api: httpx2.AsyncClient, filename: str, named: str
) -> None:
    file = (await upload(api, PURPOSE, file_part())).json()
    await service.store.edit(File, file["id"], lambda old: old.model_copy(update={"filename": filename}))
    response = await api.get(f"/v1/files/{file['id']}/content")
    assert response.headers["content-disposition"] == f"attachment; {named}"
    assert response.content == b"a,b"


@pytest.mark.parametrize(
    ("wanted", "status", "got", "of"),
    [
        ({"range": "bytes=2-4"}, 206, b"234", "bytes 2-4/10"),
        ({"range": "bytes=7-"}, 206, b"789", "bytes 7-9/10"),
        ({"range": "bytes=7-99"}, 206, b"789", "bytes 7-9/10"),
        ({"range": "bytes=-3"}, 206, b"789", "bytes 7-9/10"),
        ({"range": "bytes=-99"}, 206, b"0123456789", "bytes 0-9/10"),
        ({"range": "bytes=0-1, 1-3"}, 206, b"0123", "bytes 0-3/10"),
        ({"range": "bytes=0-1,20-"}, 200, b"0123456789", None),
        ({"range": "bytes=4-2"}, 200, b"0123456789", None),
        ({"range": "bytes=" + "9" * 5000 + "-"}, 200, b"0123456789", None),
        ({"range": "x"}, 200, b"0123456789", None),
        ({"range": "lines=1-2"}, 200, b"0123456789", None),
        ({"range": "bytes=2-4", "if-range": '"another"'}, 200, b"0123456789", None),
        ({"range": "bytes=20-", "if-range": '"another"'}, 200, b"0123456789", None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_of_a_file_comes_the_range_that_is_asked_for_or_all_of_it(
    api: httpx2.AsyncClient, wanted: dict[str, str], status: int, got: bytes, of: str | None
) -> None:
    file = (await upload(api, PURPOSE, file_part(b"0123456789"))).json()
    response = await api.get(f"/v1/files/{file['id']}/content", headers=wanted)
    assert (response.status_code, response.content, response.headers.get("content-range")) == (status, got, of)
    head = await api.head(f"/v1/files/{file['id']}/content", headers=wanted)
    assert (head.status_code, head.headers["content-length"], head.content) == (status, str(len(got)), b"")


async def test_several_ranges_come_as_parts(api: httpx2.AsyncClient) -> None:
    file = (await upload(api, PURPOSE, file_part(b"0123456789"))).json()
    response = await api.get(f"/v1/files/{file['id']}/content", headers={"range": "bytes=0-1,8-"})
    assert response.status_code == 206
    assert response.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert [part.partition(b"\r\n\r\n")[2] for part in response.content.split(b"\r\n--")[:2]] == [b"01", b"89"]


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=20-30", "bytes=-0"])
async def test_a_range_beyond_the_end_is_refused_with_the_size(api: httpx2.AsyncClient, wanted: str) -> None:
    file = (await upload(api, PURPOSE, file_part(b"0123456789"))).json()
    refused = await api.get(f"/v1/files/{file['id']}/content", headers={"range": wanted})
    assert (refused.status_code, refused.headers["content-range"]) == (416, "bytes */10")
    assert refused.json()["error"]["type"] == "invalid_request_error"


BAD_PURPOSE = PURPOSE.replace(b"assistants", b"fun")


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ((PURPOSE,), "file", "missing_required_parameter"),
        ((file_part(),), "purpose", "missing_required_parameter"),
        ((), "file", "missing_required_parameter"),
        ((PURPOSE, file_part(b"")), "file", None),
        ((BAD_PURPOSE, file_part()), "purpose", "invalid_value"),
        ((file_part(), BAD_PURPOSE), "purpose", "invalid_value"),
        ((file_part(), PURPOSE + b"x" * 5000), "purpose", None),
        ((file_part(), *[PURPOSE] * 64), None, None),
    ],
    ids=["no file", "no purpose", "neither", "empty", "purpose unknown", "known too late", "purpose endless", "65"],
)
async def test_a_refused_upload_leaves_nothing(
    service: Service, api: httpx2.AsyncClient, parts: tuple[bytes, ...], param: str | None, code: str | None
) -> None:
    response = await upload(api, *parts)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert not kept(service)
    assert (await api.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{}", "application/json"),
        (b"", "multipart/form-data; boundary=b"),
        (form(PURPOSE), "multipart/form-data"),
        (form(PURPOSE), ""),
        (form(PURPOSE), "multipart/form-data; boundary=" + "b" * 300),
        (form(PURPOSE, file_part(), end=b""), TYPED["content-type"]),
        (form(PURPOSE, file_part())[:-30], TYPED["content-type"]),
        (b"--other\r\n" + form(PURPOSE), TYPED["content-type"]),
        (form(b"X" * 9000 + b": y\r\n\r\n"), TYPED["content-type"]),
        (form(b"\r\n".join(b"X: %d" % n for n in range(99)) + b"\r\n\r\n"), TYPED["content-type"]),
    ],
)
async def test_what_is_no_multipart_is_refused(
    service: Service, api: httpx2.AsyncClient, content: bytes, content_type: str
) -> None:
    response = await api.post("/v1/files", content=content, headers={"content-type": content_type})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert not kept(service)


async def test_a_file_over_the_limit_is_refused_before_it_is_taken_in(tmp_path: Path) -> None:
    arrived = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal arrived
        yield b"--b=1\r\n" + PURPOSE + b"\r\n--b=1\r\n" + file_part(b"")
        while True:
            arrived += 65536
            yield b"x" * 65536

    async with service_in(tmp_path, max_upload=1_000_000) as service, client_of(app_of(service)) as client:
        fits = await upload(client, PURPOSE, file_part(b"x" * 1_000_000))
        over = await upload(client, PURPOSE, file_part(b"x" * 1_000_001))
        announced = await client.post("/v1/files", content=b"", headers={**TYPED, "content-length": "99999999"})
        unannounced = await client.post("/v1/files", content=endless(), headers=TYPED)
        elsewhere = await upload(client, PURPOSE, b"Content-Disposition: x\r\n\r\n" + b"x" * 2_100_000)
        assert len(kept(service)) == 1
    assert fits.status_code == 200
    for response in (over, announced, unannounced, elsewhere):
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "invalid_request_error"
    assert arrived < 4_000_000


async def test_files_are_listed_by_purpose_and_page(api: httpx2.AsyncClient) -> None:
    ids = [(await upload(api, PURPOSE, file_part(b"%d" % number))).json()["id"] for number in range(3)]
    vision = (await upload(api, PURPOSE.replace(b"assistants", b"vision"), file_part())).json()["id"]
    everything = answered(await api.get("/v1/files"))
    assert [file["id"] for file in everything["data"]] == [vision, *reversed(ids)]
    assert everything["has_more"] is False
    page = (await api.get("/v1/files?purpose=assistants&order=asc&limit=2")).json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[:2], True)
    rest = (await api.get(f"/v1/files?purpose=assistants&order=asc&after={ids[1]}")).json()
    assert (rest["first_id"], rest["last_id"], rest["has_more"]) == (ids[2], ids[2], False)


async def test_the_same_bytes_stay_until_their_last_file_goes(service: Service, api: httpx2.AsyncClient) -> None:
    first, second = [(await upload(api, PURPOSE, file_part())).json()["id"] for _ in range(2)]
    assert answered(await api.delete(f"/v1/files/{first}"))["id"] == first
    assert (await api.get(f"/v1/files/{second}/content")).content == b"a,b"
    refused = await upload(api, file_part(), BAD_PURPOSE)
    assert refused.status_code == 400
    assert (await api.get(f"/v1/files/{second}/content")).content == b"a,b"
    await api.delete(f"/v1/files/{second}")
    assert not kept(service)


async def test_an_unknown_file_is_named_as_the_hosted_service_named_it(api: httpx2.AsyncClient) -> None:
    for response in (
        await api.get("/v1/files/file-abc123"),
        await api.get("/v1/files/file-abc123/content"),
        await api.delete("/v1/files/file-abc123"),
    ):
        assert response.status_code == 404
        error = response.json()["error"]
        assert (error["message"], error["param"]) == ("No such File object: file-abc123", "id")


@given(
    st.lists(st.binary(max_size=200).filter(lambda data: b"--b=1" not in data), max_size=4),
    st.integers(1, 40),
    st.sampled_from([b"", b"\r\n", b"a file, for those who cannot read it\r\n--b\r\n", b"x--b=1\r\n"]),
)
async def test_parts_come_out_as_they_went_in_however_they_were_cut(
    parts: list[bytes], size: int, preamble: bytes
) -> None:
    body = preamble + form(*(file_part(part) for part in parts))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    multipart = Multipart(TYPED["content-type"], arriving(pieces), len(body))
    found: list[bytes] = []
    while part := await multipart.next_part():
        assert (part.name, part.filename) == ("file", "a.csv")
        found.append(b"".join([chunk async for chunk in part.chunks()]))
    assert found == parts


@given(st.binary(max_size=300))
async def test_any_bytes_are_multipart_or_an_invalid_request(body: bytes) -> None:
    multipart = Multipart(TYPED["content-type"], arriving([form(PURPOSE)[:40] + body]), 1000)
    try:
        while part := await multipart.next_part():
            await part.text(1000)
    except InvalidRequest:
        pass


async def arriving(pieces: Iterable[Any]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_quote_in_a_name_is_a_quote(api: httpx2.AsyncClient) -> None:
    named = b'Content-Disposition: form-data; name="file"; filename="\xd7\x93\xd7\x95%22\xd7\x97.csv"\r\n\r\na,b'
    response = await upload(api, PURPOSE, named)
    assert response.json()["filename"] == 'דו"ח.csv'
