"""A file in parts: whole, in order, at once; and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from kernelci.engine.ports.blobs import Blob
from kernelci.engine.service import Service
from kernelci.protocol.objects import File
from kernelci.protocol.uploads import LIFETIME, Stretch, Upload
from tests.api.conftest import answered, app_of, client_of, service_in

BEGUN = {"bytes": 6, "filename": "דו\u202eחות.csv", "mime_type": "text/csv", "purpose": "assistants"}


async def begin(api: httpx2.AsyncClient, base: str = "/v1", **changes: Any) -> dict[str, Any]:
    response = await api.post(f"{base}/uploads", json={**BEGUN, **changes})
    assert response.status_code == 200, response.text
    return answered(response)


async def add(api: httpx2.AsyncClient, upload_id: str, data: bytes) -> str:
    response = await api.post(f"/v1/uploads/{upload_id}/parts", files={"data": data})
    assert response.status_code == 200, response.text
    part = answered(response)
    assert part["upload_id"] == upload_id
    return part["id"]


async def complete(api: httpx2.AsyncClient, upload_id: str, *parts: str, **more: Any) -> httpx2.Response:
    return await api.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": parts, **more})


def left(service: Service) -> list[Path]:
    return [path for path in (service.settings.data_dir / "blobs" / ".uploads").rglob("*") if path.is_file()]


async def test_parts_become_a_file_in_the_order_that_is_asked(service: Service, api: httpx2.AsyncClient) -> None:
    upload = await begin(api)
    assert (upload["status"], upload["file"]) == ("pending", None)
    assert upload["expires_at"] - upload["created_at"] == LIFETIME
    last, unused, first = [await add(api, upload["id"], data) for data in (b"def", b"???", b"abc")]
    md5 = hashlib.md5(b"abcdef").hexdigest()
    completed = answered(await complete(api, upload["id"], first, last, md5=md5))
    assert completed["status"] == "completed"
    file = completed["file"]
    assert (file["filename"], file["bytes"], file["purpose"]) == (BEGUN["filename"], 6, "assistants")
    assert (await api.get(f"/v1/files/{file['id']}")).json() == file
    assert (await api.get(f"/v1/files/{file['id']}/content")).content == b"abcdef"
    assert left(service) == []
    for path, body in (("complete", {"part_ids": [unused]}), ("cancel", {})):
        refused = await api.post(f"/v1/uploads/{upload['id']}/{path}", json=body)
        assert refused.status_code == 400
        assert "has status 'completed'" in refused.json()["error"]["message"]


async def test_azure_has_uploads_too(api: httpx2.AsyncClient) -> None:
    upload = await begin(api, "/openai/v1")
    part = await add(api, upload["id"], b"abcdef")
    completed = await api.post(f"/openai/v1/uploads/{upload['id']}/complete", json={"part_ids": [part]})
    assert completed.json()["file"]["id"].startswith("assistant-")
    classic = await api.post("/openai/uploads?api-version=2024-05-01-preview", json=BEGUN)
    assert answered(classic)["status"] == "pending"


async def test_of_two_completions_at_once_one_wins(service: Service, api: httpx2.AsyncClient) -> None:
    upload = await begin(api)
    part = await add(api, upload["id"], b"abcdef")
    answers: list[int] = []

    async def one() -> None:
        answers.append((await complete(api, upload["id"], part)).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
    assert sorted(answers) == [200, 400, 400]
    (file,) = (await api.get("/v1/files")).json()["data"]
    assert (await api.get(f"/v1/files/{file['id']}/content")).content == b"abcdef"


@pytest.mark.parametrize(
    ("parts", "more", "param"),
    [
        ([b"abc"], {}, "part_ids"),
        ([b"abcdef", b"g"], {}, "part_ids"),
        ([b"abcdef"], {"md5": "0" * 32}, "md5"),
        ([b"abcdef"], {"md5": "?"}, "md5"),
        ([], {}, "part_ids"),
    ],
    ids=["too few", "too many", "other bytes", "no md5", "none"],
)
async def test_what_is_not_what_was_announced_is_refused_and_can_be_mended(
    api: httpx2.AsyncClient, parts: list[bytes], more: dict[str, str], param: str
) -> None:
    upload = await begin(api)
    ids = [await add(api, upload["id"], data) for data in parts]
    refused = await complete(api, upload["id"], *ids, **more)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert (await api.get("/v1/files")).json()["data"] == []
    whole = await add(api, upload["id"], b"abcdef")
    assert (await complete(api, upload["id"], whole)).json()["status"] == "completed"


async def test_a_part_belongs_to_its_upload(api: httpx2.AsyncClient) -> None:
    mine, other = await begin(api), await begin(api)
    part = await add(api, other["id"], b"abcdef")
    refused = (await complete(api, mine["id"], part)).json()["error"]
    assert (refused["param"], refused["code"]) == ("part_ids[0]", "invalid_value")


async def test_a_cancelled_upload_leaves_nothing(service: Service, api: httpx2.AsyncClient) -> None:
    upload = await begin(api)
    await add(api, upload["id"], b"abc")
    assert left(service)
    cancelled = answered(await api.post(f"/v1/uploads/{upload['id']}/cancel"))
    assert cancelled["status"] == "cancelled"
    assert left(service) == []
    refused = await api.post(f"/v1/uploads/{upload['id']}/parts", files={"data": b"def"})
    assert refused.status_code == 400


@pytest.mark.parametrize("ended", ["cancelled", "completed"])
async def test_a_part_that_comes_while_the_upload_ends_is_refused(api: httpx2.AsyncClient, ended: str) -> None:
    upload = await begin(api)
    part = await add(api, upload["id"], b"abcdef")

    async def arriving() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\nabc'
        await end(api, upload["id"], part, ended)
        yield b"def\r\n--b--\r\n"

    typed = {"content-type": "multipart/form-data; boundary=b"}
    refused = await api.post(f"/v1/uploads/{upload['id']}/parts", content=arriving(), headers=typed)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, over(upload["id"], ended))


@pytest.mark.parametrize("ended", ["cancelled", "completed"])
async def test_an_upload_that_ends_while_it_is_put_together_ends_once(
    service: Service, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    upload = await begin(api)
    part = await add(api, upload["id"], b"abcdef")
    join = service.parts.join

    async def late(upload_id: str, stretches: Sequence[Stretch], md5: str | None) -> Blob:
        monkeypatch.undo()
        await end(api, upload_id, part, ended)
        return await join(upload_id, stretches, md5)

    monkeypatch.setattr(service.parts, "join", late)
    refused = await complete(api, upload["id"], part)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, over(upload["id"], ended))
    assert len((await api.get("/v1/files")).json()["data"]) == (ended == "completed")
    assert left(service) == []


async def test_bytes_that_are_lost_are_no_fault_of_the_clients(service: Service, api: httpx2.AsyncClient) -> None:
    upload = await begin(api)
    part = await add(api, upload["id"], b"abcdef")
    await service.parts.drop(upload["id"])
    assert (await complete(api, upload["id"], part)).status_code == 500


async def end(api: httpx2.AsyncClient, upload_id: str, part: str, how: str) -> None:
    ended = await (
        complete(api, upload_id, part) if how == "completed" else api.post(f"/v1/uploads/{upload_id}/cancel")
    )
    assert answered(ended)["status"] == how


def over(upload_id: str, how: str) -> str:
    return f"Upload {upload_id} has status '{how}', so nothing can be done with it."


async def test_an_upload_past_its_time_is_gone(service: Service, api: httpx2.AsyncClient) -> None:
    upload = await begin(api)
    part = await add(api, upload["id"], b"abcdef")
    await service.store.edit(Upload, upload["id"], lambda old: old.model_copy(update={"expires_at": 1}))
    gone = await complete(api, upload["id"], part)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, f"No such Upload object: {upload['id']}")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": "6"}, "bytes"),
        ({"bytes": None}, "bytes"),
        ({"filename": ""}, "filename"),
        ({"mime_type": None}, "mime_type"),
        ({"purpose": "fun"}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "never", "seconds": 3600}}, "expires_after.anchor"),
    ],
    ids=str,
)
async def test_an_upload_must_say_what_it_is(api: httpx2.AsyncClient, change: dict[str, Any], param: str) -> None:
    refused = await api.post("/v1/uploads", json={**BEGUN, **change})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_limits_hold(tmp_path: Path) -> None:
    async with service_in(tmp_path, max_upload_in_parts=10) as service, client_of(app_of(service)) as api:
        assert (await api.post("/v1/uploads", json={**BEGUN, "bytes": 11})).status_code == 413
        upload = await begin(api)
        empty = await api.post(f"/v1/uploads/{upload['id']}/parts", files={"data": b""})
        assert (empty.status_code, empty.json()["error"]["param"]) == (400, "data")
        without = await api.post(f"/v1/uploads/{upload['id']}/parts", files={"file": b"abc"})
        assert without.json()["error"]["code"] == "missing_required_parameter"
        await add(api, upload["id"], b"x" * 13)
        flood = await api.post(f"/v1/uploads/{upload['id']}/parts", files={"data": b"x"})
        assert flood.status_code == 413
    unknown = "upload_aaaaaaaaaaaaaaaaaaaaaaaa"
    async with service_in(tmp_path) as service, client_of(app_of(service)) as api:
        for path, body in (
            ("parts", {"files": {"data": b"x"}}),
            ("complete", {"json": {"part_ids": ["x"]}}),
            ("cancel", {}),
        ):
            assert (await api.post(f"/v1/uploads/{unknown}/{path}", **body)).status_code == 404


async def test_a_part_over_its_limit_is_refused(api: httpx2.AsyncClient) -> None:
    upload = await begin(api, bytes=2**33)
    announced = {"content-type": 'multipart/form-data; boundary="b"', "content-length": str(2**27)}
    refused = await api.post(f"/v1/uploads/{upload['id']}/parts", content=b"", headers=announced)
    assert refused.status_code == 413


async def test_files_expire_when_they_were_meant_to(service: Service, api: httpx2.AsyncClient) -> None:
    after = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    sent = await api.post("/v1/files", data={"purpose": "assistants", **after}, files={"file": b"abc"})
    file = answered(sent)
    assert file["expires_at"] == file["created_at"] + 3600
    assert [each["id"] for each in (await api.get("/v1/files")).json()["data"]] == [file["id"]]
    await service.store.edit(File, file["id"], lambda old: old.model_copy(update={"expires_at": 1}))
    for path in (f"/v1/files/{file['id']}", f"/v1/files/{file['id']}/content"):
        assert (await api.get(path)).status_code == 404
    assert (await api.get("/v1/files")).json()["data"] == []
    upload = await begin(api, expires_after={"anchor": "created_at", "seconds": 7200})
    part = await add(api, upload["id"], b"abcdef")
    whole = (await complete(api, upload["id"], part)).json()["file"]
    assert whole["expires_at"] == whole["created_at"] + 7200


@pytest.mark.parametrize(
    ("after", "param"),
    [
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "5"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after": "3600"}, "expires_after"),
    ],
    ids=str,
)
async def test_an_expiry_that_is_none_is_refused(
    service: Service, api: httpx2.AsyncClient, after: dict[str, str], param: str
) -> None:
    refused = await api.post("/v1/files", data={"purpose": "assistants", **after}, files={"file": b"abc"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
