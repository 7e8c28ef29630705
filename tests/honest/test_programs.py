"""Everyday programs, which must not notice that they are confined."""

# ruff: noqa: E501 - programs as people write them

from __future__ import annotations

import pytest

from tests.sessions.conftest import Pool, text_of

PROGRAMS = {
    "tables": """
import pandas as pd
table = pd.DataFrame({"name": ["שלום", "b"], "value": [1.5, 2.5]})
table.to_csv("t.csv", index=False); table.to_excel("t.xlsx", index=False); table.to_json("t.json")
for read in (pd.read_csv("t.csv"), pd.read_excel("t.xlsx"), pd.read_json("t.json")): assert read.equals(table), read
""",
    "a figure with Hebrew": """
import matplotlib.pyplot as plt
from bidi import get_display
plt.bar(["א", "ב"], [1, 2]); plt.title(get_display("שלום עולם")); plt.savefig("f.png"); plt.savefig("f.svg"); plt.savefig("f.pdf")
plt.close()
""",
    "an animation": """
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
figure, axes = plt.subplots(figsize=(2, 2))
(line,) = axes.plot([0, 1], [0, 1])
FuncAnimation(figure, lambda n: line.set_data([0, 1], [0, n]), frames=3).save("a.gif", writer=PillowWriter(fps=5))
plt.close()
from PIL import Image
assert Image.open("a.gif").n_frames == 3
""",
    "learning on two processors": """
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
x, y = make_classification(200, random_state=0)
assert cross_val_score(RandomForestClassifier(10, n_jobs=2, random_state=0), x, y, n_jobs=2).mean() > 0.7
""",
    "a pool of forked workers": """
import multiprocessing
def square(n): return n * n
with multiprocessing.get_context("fork").Pool(2) as workers: assert workers.map(square, range(5)) == [0, 1, 4, 9, 16]
""",
    "a pool of spawned workers": """
import math, multiprocessing
with multiprocessing.get_context("spawn").Pool(2) as workers: assert workers.map(math.sqrt, [4, 9]) == [2, 3]
""",
    "shared memory": """
from multiprocessing import Array, Process
from multiprocessing.shared_memory import SharedMemory
def add(numbers): numbers[0] += 1
numbers = Array("i", 3)
worker = Process(target=add, args=(numbers,)); worker.start(); worker.join()
assert numbers[0] == 1
block = SharedMemory(create=True, size=1000); block.buf[0] = 7; block.close(); block.unlink()
""",
    "anonymous memory": "import mmap; mmap.mmap(-1, 100 << 20).write(b'x')",
    "executors": """
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import math
with ThreadPoolExecutor(16) as threads: assert sum(threads.map(math.sqrt, [4] * 100)) == 200
with ProcessPoolExecutor(2) as processes: assert sum(processes.map(math.sqrt, [4] * 100)) == 200
""",
    "subprocesses": """
import subprocess, sys
first = subprocess.Popen(["printf", "b\\na\\n"], stdout=subprocess.PIPE)
assert subprocess.check_output(["sort"], stdin=first.stdout, text=True) == "a\\nb\\n"
first.wait()
assert subprocess.run([sys.executable, "-c", "import numpy; print(numpy.ones(3).sum())"], capture_output=True, text=True).stdout == "3.0\\n"
assert subprocess.run("exit 3", shell=True).returncode == 3
""",
    "sqlite": """
import sqlite3
base = sqlite3.connect("/mnt/data/base.db"); base.execute("PRAGMA journal_mode=WAL")
base.execute("CREATE TABLE t (x)"); base.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)]); base.commit()
assert base.execute("SELECT sum(x) FROM t").fetchone() == (499500,)
base.close()
""",
    "archives": """
import shutil, tarfile, zipfile, gzip, bz2, lzma
open("x.txt", "w").write("x" * 1000)
with zipfile.ZipFile("x.zip", "w", zipfile.ZIP_DEFLATED) as z: z.write("x.txt")
with tarfile.open("x.tar.gz", "w:gz") as t: t.add("x.txt")
shutil.unpack_archive("x.zip", "out"); shutil.make_archive("again", "zip", "out")
assert open("out/x.txt").read() == "x" * 1000
for each in (gzip, bz2, lzma): assert each.decompress(each.compress(b"y")) == b"y"
""",
    "documents": """
import docx, pptx, pypdf
from lxml import etree, html
from reportlab.pdfgen.canvas import Canvas
d = docx.Document(); d.add_paragraph("שלום"); d.save("d.docx"); assert docx.Document("d.docx").paragraphs[0].text == "שלום"
p = pptx.Presentation(); p.slides.add_slide(p.slide_layouts[0]).shapes.title.text = "x"; p.save("p.pptx")
c = Canvas("c.pdf"); c.drawString(100, 100, "hello"); c.save(); assert "hello" in pypdf.PdfReader("c.pdf").pages[0].extract_text()
assert html.fromstring("<p>a<b>c</b></p>").text_content() == "ac" and etree.fromstring("<a/>").tag == "a"
""",
    "pictures": """
from PIL import Image, ImageDraw, ImageFilter, ImageFont
picture = Image.new("RGB", (200, 200), "white"); ImageDraw.Draw(picture).text((5, 5), "hi", font=ImageFont.load_default())
for kind in ("png", "jpg", "webp", "gif", "bmp", "tiff"): picture.filter(ImageFilter.BLUR).save(f"p.{kind}"); Image.open(f"p.{kind}").load()
""",
    "temporary files": """
import os, tempfile
with tempfile.NamedTemporaryFile() as f: f.write(b"x"); f.flush(); assert os.path.getsize(f.name) == 1
with tempfile.TemporaryDirectory() as folder: open(folder + "/x", "w").close()
assert tempfile.gettempdir() == "/tmp"
""",
    "asyncio": """
import asyncio
async def work():
    process = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0]
assert await work() == b"hi\\n"
""",
    "a server of its own": """
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
assert urllib.request.urlopen(f"http://localhost:{server.server_port}/").status == 200
server.shutdown()
""",
    "questions about the machine": """
import datetime, getpass, locale, os, platform, pwd, shutil, socket, sys, time, zoneinfo
assert getpass.getuser() == "user" and pwd.getpwuid(os.getuid()).pw_name == "user"
assert os.path.expanduser("~") == "/tmp" and os.getcwd() == "/mnt/data"
assert os.cpu_count() >= 1 and len(os.sched_getaffinity(0)) >= 1 and os.getloadavg()
assert datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Jerusalem")).utcoffset() == datetime.timedelta(hours=3)
assert locale.getpreferredencoding() == "UTF-8" and sys.getfilesystemencoding() == "utf-8" and time.tzname
assert int(open("/proc/meminfo").readline().split()[1]) > 0 and "processor" in open("/proc/cpuinfo").read()
assert open("/proc/stat").read() and open("/proc/self/status").read() and open("/proc/mounts").read()
assert platform.platform() and shutil.disk_usage("/mnt/data").free and socket.gethostbyname(socket.gethostname())
""",
    "linear algebra": """
import numpy as np, scipy.linalg, scipy.optimize
a = np.random.default_rng(0).random((700, 700))
assert np.allclose(a @ np.linalg.inv(a), np.eye(700), atol=1e-6) and np.linalg.svd(a)[1].shape == (700,)
assert scipy.optimize.minimize(lambda x: (x - 3) ** 2, 0).x.round(3) == 3
""",
    "a large table": "import numpy as np; a = np.ones(100_000_000); assert a.sum() == 100_000_000; del a",
    "statistics and symbols": """
import networkx, seaborn, statsmodels.api as sm, sympy, numpy as np
assert round(sm.OLS([1.0, 2, 3], sm.add_constant([1.0, 2, 3])).fit().params[1], 6) == 1
assert sympy.integrate(sympy.Symbol("x")) == sympy.Symbol("x") ** 2 / 2
assert networkx.shortest_path_length(networkx.path_graph(5), 0, 4) == 4
""",
    "signals": """
import signal, time
told = []
signal.signal(signal.SIGALRM, lambda *_: told.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01)
while not told: time.sleep(0.001)  # polled: pausing could begin too late
assert told == [1]
""",
    "rubbish": """
import weakref
class Knot: pass
def tie():
    knot = Knot(); knot.self = knot
    return weakref.ref(knot)
knots = [tie() for _ in range(100_000)]
assert sum(knot() is not None for knot in knots) < 50_000
""",
    "modules with everyday names": """
import sys
for name in ("cells", "confine", "linux", "shell", "tree", "wire"):
    open(name + ".py", "w").write("mine = True")
    assert __import__(name).mine
""",
    "magic": "%timeit -n1 -r1 1\n!ls > /dev/null\n%cd -q /tmp\n%cd -q /mnt/data\nx = !echo hi\nassert x == ['hi']",
}  # fmt: skip


@pytest.mark.parametrize("name", [*PROGRAMS])
async def test_everyday_programs_run(pool: Pool, name: str):
    session = f"honest_{[*PROGRAMS].index(name)}"
    result = await pool.run(PROGRAMS[name], session=session)
    await pool.sessions.close(session)

    assert result.status == "ok", text_of(result)


CHANCE = """
import random, secrets, tempfile, uuid
import numpy as np
for draw in (random.random, np.random.random, np.random.default_rng().random, uuid.uuid4, uuid.uuid1, secrets.token_hex,
             lambda: random.SystemRandom().random(), tempfile.mktemp):
    print(draw())
"""


async def test_chance_differs_between_sessions(pool: Pool):
    first, second, third = [
        text_of(await pool.run(CHANCE, session=name)).split() for name in ("one", "two", "three")
    ]

    assert len(first) == 8
    assert all(len({*drawn}) == 3 for drawn in zip(first, second, third, strict=True)), (first, second)
