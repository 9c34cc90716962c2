"""Files: /view, uploads, model previews, userdata, with what goes wrong."""
import base64, io, json, os, struct, zlib

import pytest

from test_routes import multipart, upload


def png(width, height, pixel, text=()):
    """RGB or RGBA of one colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes(pixel) * width) * height
    colour = {3: 2, 4: 6}[len(pixel)]
    chunks = b"".join(chunk(b"tEXt", k.encode() + b"\0" + v.encode()) for k, v in text)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)) + chunks
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pixels(data):
    """(width, height, first pixel) of an 8-bit PNG without interlacing, filter of the first row undone."""
    at, packed, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        if kind == b"IDAT":
            packed += body
        at += 12 + size
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[head[3]]
    return head[0], head[1], tuple(zlib.decompress(packed)[1:1 + channels])


def test_channels(server):
    upload(server, "c.png", png(5, 4, (10, 20, 30, 128)))
    url = "/view?filename=c.png&type=input"
    assert pixels(server.get(url + "&channel=rgb").body) == (5, 4, (10, 20, 30))
    assert pixels(server.get(url + "&channel=a").body) == (5, 4, (0, 0, 0, 128))
    assert pixels(server.get(url + "&channel=rgba").body) == (5, 4, (10, 20, 30, 128))
    upload(server, "opaque.png", png(5, 4, (10, 20, 30)))
    assert pixels(server.get("/view?filename=opaque.png&type=input&channel=a").body) == (5, 4, (0, 0, 0, 255))
    for query in ("&channel=rgb", "&channel=a", ""):
        assert server.get(url + query).headers["Content-Disposition"] == 'filename="c.png"'


def test_previews(server):
    upload(server, "p.png", png(50, 40, (10, 20, 30, 128)))
    url = "/view?filename=p.png&type=input"
    for query, kind in (("preview=webp;80", "image/webp"), ("preview=webp", "image/webp"), ("preview=jpeg;50", "image/jpeg"),
                        ("preview=jpeg", "image/jpeg"), ("preview=bmp", "image/webp"), ("preview=jpeg;x", "image/jpeg"),
                        ("preview=jpeg;80&channel=rgba", "image/webp"), ("preview=jpeg;80&channel=rgb", "image/jpeg"),
                        ("preview=webp;1000", "image/webp"), ("preview=webp;0", "image/webp")):
        answer = server.get(f"{url}&{query}")
        assert (answer.status, answer.type) == (200, kind), query
    assert b"ALPH" in server.get(url + "&preview=webp;80").body
    assert b"ALPH" not in server.get(url + "&preview=webp;80&channel=rgb").body


def test_ranges_in_every_form(server):
    data = bytes(range(200))
    upload(server, "r.bin", data)
    url = "/view?filename=r.bin&type=input"
    for asked, status, got in (("bytes=0-0", 206, data[:1]), ("bytes=190-", 206, data[190:]), ("bytes=-5", 206, data[-5:]),
                               ("bytes=-999", 206, data), ("bytes=100-999", 206, data[100:]), ("bytes=200-", 416, b""),
                               ("bytes=-0", 416, b""), ("bytes=5-1", 200, data), ("bytes=x", 200, data),
                               ("lines=1-2", 200, data), ("bytes=0-1,3-4", 200, data)):
        answer = server.get(url, {"Range": asked})
        assert (answer.status, answer.body) == (status, got), asked
    etag = server.get(url).headers["ETag"]
    assert server.get(url, {"Range": "bytes=0-1", "If-Range": etag}).status == 206
    assert server.get(url, {"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200


def test_names_that_are_refused(server):
    for query, status in (("filename=", 404), ("filename=../x", 400), ("filename=/etc/passwd", 400), ("filename=a/../b", 400),
                          ("filename=x&type=models", 400), ("filename=x&subfolder=../..", 403), ("filename=x&subfolder=/etc", 403),
                          ("filename=x%00.png", 400), ("filename=none.png", 404), ("filename=none.png%20[temp]", 404)):
        assert server.get("/view?" + query).status == status, query


def test_an_unusual_name_is_quoted(server):
    name = 'a "b" ü.txt'
    body, headers = multipart(("image", "plain.txt", b"x"))
    (server.base / "output").mkdir(exist_ok=True)
    (server.base / "output" / name).write_bytes(b"x")
    answer = server.get("/view?filename=a%20%22b%22%20%C3%BC.txt")
    assert answer.status == 200 and answer.body == b"x"
    assert answer.headers["Content-Disposition"].startswith('filename="a \\"b\\" ')


def test_duplicates_are_told_by_their_bytes(server):
    names = [upload(server, "dup.bin", data).json["name"] for data in (b"1", b"2", b"1", b"3", b"2", b"3")]
    assert names == ["dup.bin", "dup (1).bin", "dup.bin", "dup (2).bin", "dup (1).bin", "dup (2).bin"]
    assert upload(server, "dup.bin", b"4", overwrite="1").json["name"] == "dup.bin"
    assert server.get("/view?filename=dup.bin&type=input").body == b"4"
    assert upload(server, "dup.bin", b"5", overwrite="false").json["name"] == "dup (3).bin"


def test_uploads_that_are_refused(server):
    for parts in ([("image", None, b"no file name")], [("file", "x.png", b"1")], [("image", "..", b"1")],
                  [("image", "x", b"1"), ("type", None, b"models")], [("image", "x", b"1"), ("subfolder", None, b"../up")],
                  [("image", "x", b"1"), ("subfolder", None, b"/abs")]):
        body, headers = multipart(*parts)
        assert server.post("/upload/image", body, headers).status == 400, parts
    assert server.post("/upload/image", b"nothing").status == 400
    assert server.post("/upload/image", b"--XYZ\r\n", {"Content-Type": "multipart/form-data; boundary=XYZ"}).status == 400


def mask(server, original_ref, data, name="m.png", **fields):
    parts = [("image", name, data), ("original_ref", None, json.dumps(original_ref).encode())]
    body, headers = multipart(*parts, *((k, None, v.encode()) for k, v in fields.items()))
    return server.post("/upload/mask", body, headers)


def test_a_mask_becomes_the_alpha_of_the_original(server):
    upload(server, "orig.png", png(6, 5, (200, 100, 50), text=[("prompt", '{"1": {}}')]), subfolder="deep", type="output")
    answer = mask(server, {"filename": "orig.png", "subfolder": "deep"}, png(6, 5, (1, 2, 3, 77)), subfolder="clipspace")
    assert answer.json == {"name": "m.png", "subfolder": "clipspace", "type": "input"}
    made = server.get("/view?filename=m.png&subfolder=clipspace&type=input").body
    assert pixels(made) == (6, 5, (200, 100, 50, 77)) and b'prompt\0{"1": {}}' in made
    annotated = mask(server, {"filename": "deep/orig.png [output]"}, png(6, 5, (1, 2, 3, 9)), name="n.png")
    assert annotated.status == 200


def test_what_goes_wrong_in_the_mask_is_swallowed(server):
    for number, reference in enumerate(({"filename": "none.png"}, {"filename": "../x"}, [], {"filename": "x", "type": "models"})):
        answer = mask(server, reference, png(2, 2, (0, 0, 0, 0)), name=f"lost{number}.png")
        assert answer.status == 200 and answer.json["name"] == f"lost{number}.png", reference
        assert server.get(f"/view?filename=lost{number}.png&type=input").status == 404


def safetensors(metadata):
    head = json.dumps({"__metadata__": metadata} if metadata is not None else {}).encode()
    return struct.pack("<Q", len(head)) + head


@pytest.fixture
def models(make_server):
    server = make_server(start=False)
    first, second = server.base / "models/loras", server.base / "more"
    for folder in (first / "sub", second):
        folder.mkdir(parents=True)
    (server.base / "extra_model_paths.yaml").write_text(f"x:\n  base_path: {server.base}\n  loras: more\n")
    (first / "a.safetensors").write_bytes(safetensors({"ss_tag": "1"}))
    (first / "a.png").write_bytes(png(8, 8, (9, 9, 9)))
    (first / "sub/b.safetensors").write_bytes(safetensors(None))
    (first / "sub/b.preview.png").write_bytes(png(8, 8, (9, 9, 9)))
    cover = "data:image/png;base64," + base64.b64encode(png(8, 8, (7, 7, 7, 7))).decode()
    (second / "c.safetensors").write_bytes(safetensors({"ssmd_cover_images": json.dumps([cover])}))
    (second / "d.safetensors").write_bytes(safetensors({"ssmd_cover_images": "[\"%%%\"]"}))
    (second / "e.pt").write_bytes(b"x")
    (second / "e.png").write_bytes(b"no picture")
    return server.start()


def test_pictures_of_models(models):
    base = "/experiment/models/preview/loras/"
    listed = {e["name"]: e["pathIndex"] for e in models.get("/experiment/models/loras").json}
    assert sorted(listed) == ["a.safetensors", "c.safetensors", "d.safetensors", "e.pt", "sub/b.safetensors"]
    for name in ("a.safetensors", "sub/b.safetensors", "sub%2Fb.safetensors", "c.safetensors"):
        answer = models.get(f"{base}{listed[name.replace('%2F', '/')]}/{name}")
        assert (answer.status, answer.type) == (200, "image/webp"), name
        assert answer.body[:4] == b"RIFF"
    for path in (f"{listed['d.safetensors']}/d.safetensors", f"{listed['e.pt']}/e.pt", "9/a.safetensors", "x/a.safetensors",
                 "-1/a.safetensors", f"{1 - listed['a.safetensors']}/a.safetensors", "0/..%2f..%2fa.png", "0/none.pt"):
        assert models.get(base + path).status == 404, path
    assert models.get("/experiment/models/preview/nope/0/a.safetensors").status == 404


def test_metadata_of_models(models):
    assert models.get("/view_metadata/loras?filename=a.safetensors").json == {"ss_tag": "1"}
    for query in ("loras?filename=sub/b.safetensors", "loras?filename=e.pt", "loras?filename=none.safetensors", "loras",
                  "nope?filename=a.safetensors", "loras?filename=../loras/a.safetensors"):
        assert models.get("/view_metadata/" + query).status == 404, query


def test_model_lists(models):
    assert models.get("/models/loras").json == ["a.safetensors", "c.safetensors", "d.safetensors", "e.pt", "sub/b.safetensors"]
    for legacy in ("unet", "clip", "nope"):
        assert models.get(f"/models/{legacy}").status == models.get(f"/experiment/models/{legacy}").status == 404
    folders = {e["name"]: e["folders"] for e in models.get("/experiment/models").json}
    assert "configs" not in folders and "custom_nodes" not in folders
    assert folders["loras"] == models.get("/internal/folder_paths").json["loras"] and len(folders["loras"]) == 3  # output/loras too


def test_userdata_in_full(make_server):
    server = make_server()
    for name in ("workflows/b.json", "workflows/A.json", "workflows/sub/c.json", "workflows/.index.json"):
        assert server.post("/userdata/" + name.replace("/", "%2F"), b"{}").json == name
    listing = lambda query: server.get("/userdata?dir=workflows" + query).json
    assert listing("") == ["A.json", "b.json"]
    assert listing("&recurse=true") == ["A.json", "b.json", "sub/c.json"]
    assert listing("&recurse=TRUE&split=true")[2] == ["sub/c.json", "sub", "c.json"]
    full = listing("&full_info=true&split=true")
    assert set(full[0]) == {"path", "size", "modified", "created"} and full[0]["size"] == 2
    assert isinstance(full[0]["modified"], float)
    assert server.get("/userdata/workflows%2F.index.json").body == b"{}"
    tree = server.get("/v2/userdata").json
    assert [(e["type"], e["path"]) for e in tree] == [
        ("directory", "workflows/sub"), ("directory", "workflows"), ("file", "workflows/.index.json"),
        ("file", "workflows/A.json"), ("file", "workflows/b.json"), ("file", "workflows/sub/c.json")]
    assert [e["name"] for e in server.get("/v2/userdata?path=workflows").json] == ["sub", ".index.json", "A.json", "b.json", "c.json"]
    assert "size" not in tree[0] and set(tree[-1]) == {"name", "path", "type", "size", "modified"}


def test_userdata_overwriting_and_moving(make_server):
    server = make_server()
    save = lambda name, data, query="": server.post(f"/userdata/{name}{query}", data)
    assert save("a.json", b"1").status == 200
    assert save("a.json", b"2", "?overwrite=false").status == 409
    assert save("a.json", b"3", "?overwrite=true&full_info=true").json["size"] == 1
    assert server.get("/userdata/a.json").body == b"3"
    save("b.json", b"4")
    refused = server.post("/userdata/a.json/move/b.json?overwrite=false")
    assert refused.status == 409 and refused.body == b"File already exists"
    moved = server.post("/userdata/a.json/move/deep%2Fer%2Fb.json?full_info=true")
    assert moved.json["path"] == "deep/er/b.json"
    assert server.get("/userdata/a.json").status == 404
    assert server.post("/userdata/b.json/move/deep%2Fer%2Fb.json").json == "deep/er/b.json"
    assert server.get("/userdata/deep%2Fer%2Fb.json").body == b"4"
    assert server.post("/userdata/none/move/x").status == 404
    assert server.post("/userdata/deep%2Fer%2Fb.json/move/..%2F..%2Fx").status == 403
    assert server.ask("DELETE", "/userdata/deep%2Fer%2Fb.json").status == 204
    assert server.ask("DELETE", "/userdata/deep").status == 404
    assert save("deep", b"a folder").status == 400


def test_userdata_that_leads_out(server):
    for path, status in (("/userdata?dir=..", 403), ("/userdata?dir=%2Fetc", 403), ("/userdata?dir=", 400), ("/userdata?dir=none", 404),
                         ("/v2/userdata?path=..%2F..", 403), ("/v2/userdata?path=none", 404), ("/userdata/%2Fetc%2Fpasswd", 403),
                         ("/userdata/..%252F..%252Fserver.log", 403), ("/userdata/a%00b", 400)):
        assert server.get(path).status in ((status,) if "none" not in path and "v2" not in path else (404, 200, status)), path
    for path in ("/userdata/..%2Fx", "/userdata/..%252Fx"):
        assert server.post(path, b"x").status == 403
        assert server.ask("DELETE", path).status == 403
