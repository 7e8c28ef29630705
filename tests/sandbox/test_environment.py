"""The environment of the model's code: its place, its contents, and how it is built once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kernelci.errors import EnvironmentUnavailable
from kernelci.sandbox import environment
from kernelci.sandbox.environment import Environment, of_kernelspec

KERNELS = Path(__file__).parents[2] / "kernels" / "kernelci"

READS_EVERYTHING = """
import io, tarfile, zipfile
import docx, pptx, openpyxl, pypdf, pandas as pd, numpy, scipy, sklearn, seaborn, statsmodels.api, sympy, yaml, bs4
from lxml import etree
from PIL import Image
from reportlab.pdfgen import canvas

document = docx.Document(); document.add_paragraph('text'); document.save('a.docx')
assert docx.Document('a.docx').paragraphs[0].text == 'text'
slides = pptx.Presentation(); slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = 'text'
slides.save('a.pptx')
assert pptx.Presentation('a.pptx').slides[0].shapes.title.text == 'text'
page = canvas.Canvas('a.pdf'); page.drawString(100, 100, 'text'); page.save()
assert pypdf.PdfReader('a.pdf').pages[0].extract_text().strip() == 'text'
frame = pd.DataFrame({'a': [1, 2]})
frame.to_excel('a.xlsx', index=False); assert pd.read_excel('a.xlsx').equals(frame)
frame.to_csv('a.csv', index=False); assert pd.read_csv('a.csv').equals(frame)
frame.to_json('a.json'); assert pd.read_json('a.json').equals(frame)
frame.to_xml('a.xml', index=False); assert pd.read_xml('a.xml').equals(frame)
frame.to_html('a.html', index=False); assert pd.read_html('a.html')[0].equals(frame)
for kind in ('png', 'jpeg', 'gif'):
    Image.new('RGB', (2, 2)).save('a.' + kind); assert Image.open('a.' + kind).size == (2, 2)
with zipfile.ZipFile('a.zip', 'w') as z: z.write('a.csv')
with tarfile.open('a.tar.gz', 'w:gz') as t: t.add('a.csv')
frame.to_markdown()
import matplotlib; assert matplotlib.get_cachedir() == CACHE, matplotlib.get_cachedir()
print('read')
"""


def test_it_reads_every_file_type_of_the_protocol(built: Environment, tmp_path: Path):
    code = READS_EVERYTHING.replace("CACHE", repr(str(built.matplotlib)))
    env = {"MPLCONFIGDIR": str(built.matplotlib), "HOME": str(tmp_path)}
    ran = subprocess.run(
        [built.python, "-I", "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert (ran.stdout, ran.stderr) == ("read\n", "")
    assert list(built.matplotlib.glob("fontlist-*.json"))


def test_it_lives_where_it_was_moved_to(built: Environment):
    code = "import sys, numpy; print(sys.prefix, numpy.__file__)"
    told = subprocess.check_output([built.python, "-I", "-c", code], text=True).split()
    script = subprocess.check_output(
        [built.folder / "bin" / "f2py", "-v"], text=True, env={"PATH": "/usr/bin:/bin"}
    )

    assert told[0] == str(built.folder)
    assert told[1].startswith(str(built.folder))
    assert script.strip()


def test_the_place_depends_on_the_lock(built: Environment, tmp_path: Path):
    here, there = environment.environment(tmp_path), environment.environment(tmp_path / "there")

    assert here.folder.parent == tmp_path / "environments"
    assert here.folder.name == there.folder.name == built.folder.name
    assert not here.ready


def test_the_lock_pins_all_that_is_asked_for_and_names_no_place():
    asked = (KERNELS / "requirements.in").read_text().splitlines()
    names = {re.split(r"[<>=]", line)[0] for line in asked if line and not line.startswith("#")}
    lock = (KERNELS / "requirements.lock").read_text()
    pins = re.split(r"\n(?=[a-z])", lock)

    assert names <= {pin.split("==")[0] for pin in pins}
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "//" not in lock
    assert "--index" not in lock
    assert not any("==" in line for line in asked)


@pytest.fixture
def empty(tmp_path: Path) -> Environment:
    """An environment with nothing in it, not built yet."""
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    return of_kernelspec(tmp_path, tmp_path)


def test_it_is_built_once_whoever_asks(empty: Environment):
    told: list[str] = []
    code = (
        "import sys; from pathlib import Path; from kernelci.sandbox.environment import Environment\n"
        "Environment(Path(sys.argv[1]), Path(sys.argv[2])).prepare(lambda phase: print(phase))"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, empty.folder, empty.lock], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    threads = [threading.Thread(target=empty.prepare, args=(told.append,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        told += other.communicate()[0].splitlines()
        assert other.returncode == 0

    assert empty.ready
    assert len([phase for phase in told if phase.startswith("Creating")]) == 1
    assert sorted(place.name for place in empty.folder.parent.iterdir()) == [
        ".lock",
        empty.folder.name,
        empty.about.name,
    ]


def test_what_is_there_is_not_touched(empty: Environment):
    empty.prepare()
    (empty.folder / "mark").touch()
    told: list[str] = []
    empty.prepare(told.append)

    assert told == []
    assert (empty.folder / "mark").exists()


def test_one_whose_interpreter_has_gone_is_built_anew(empty: Environment):
    empty.prepare()
    (empty.folder / "mark").touch()
    empty.python.unlink()
    empty.python.symlink_to("/nowhere/python")
    (empty.folder.parent / ".aside-of-a-crash").mkdir()
    empty.prepare()

    assert empty.ready
    assert not (empty.folder / "mark").exists()
    assert sorted(place.name for place in empty.folder.parent.iterdir()) == [
        ".lock",
        empty.folder.name,
        empty.about.name,
    ]


def test_a_failed_build_leaves_nothing_and_says_why(tmp_path: Path):
    (tmp_path / "requirements.lock").write_text("this is no requirement\n")
    broken = of_kernelspec(tmp_path, tmp_path)
    with pytest.raises(EnvironmentUnavailable) as told:
        broken.prepare()

    assert "uv failed" in told.value.message
    assert "no requirement" in told.value.message
    assert "check the network connection" in told.value.message
    assert [place.name for place in broken.folder.parent.iterdir()] == [".lock"]


def test_a_package_without_a_hash_is_refused(tmp_path: Path):
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n")
    with pytest.raises(EnvironmentUnavailable, match="hash"):
        of_kernelspec(tmp_path, tmp_path).prepare()


def test_a_cache_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentUnavailable, match="KERNELCI_CACHE_DIR"):
        Environment(tmp_path / "file" / "e", tmp_path / "file").prepare()


def test_a_lock_that_changes_before_the_build_is_not_built_under_the_old_name(empty: Environment):
    empty.lock.write_text("# something else\n")
    with pytest.raises(EnvironmentUnavailable, match="has been changed in the meantime"):
        empty.prepare()

    assert not empty.ready


def test_who_holds_it_has_it_built(empty: Environment):
    with empty.hold():
        assert empty.ready
        assert json.loads(empty.about.read_text())["kernelspec"] == str(empty.lock.parent)


def test_without_a_lock_it_is_told_how_to_make_one(tmp_path: Path):
    with pytest.raises(EnvironmentUnavailable, match=f"kernelci kernels lock {tmp_path}"):
        of_kernelspec(tmp_path, tmp_path)


def test_one_that_kernels_cannot_see_is_told(tmp_path: Path):
    with pytest.raises(EnvironmentUnavailable, match=r"/tmp of their own.*KERNELCI_CACHE_DIR"):
        _ = Environment(Path("/tmp/environments/e"), tmp_path).shown
