"""Data sets: the split, the digits, and files that users bring."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from pnag_jax import archives, datasets
from pnag_jax.datasets import folders
from pnag_jax.errors import DataError, UsageError, UserError


@pytest.fixture
def folder(tmp_path):
    """Three classes of five grey images of 6 x 4 (width x height)."""
    random = np.random.default_rng(0)
    for name in ("cat", "ant", "bee"):
        (tmp_path / name).mkdir()
        for number in range(5):
            pixels = random.integers(0, 256, (4, 6), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return str(path)


def some(count=12, classes=3):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 4, 4, 3), np.uint8), np.arange(count) % classes


def test_digits_are_split_once_and_for_all():
    pytest.importorskip("sklearn")
    one, two = datasets.load("digits"), datasets.load("digits")
    assert one.image_shape == (8, 8, 1) and one.num_classes == 10
    parts = (one.train, one.valid, one.test)
    assert [len(part.labels) for part in parts] == [1079, 359, 359]
    for part, again in zip(parts, (two.train, two.valid, two.test), strict=True):
        np.testing.assert_array_equal(part.images, again.images)
        # Every class has its share: 174 to 183 of each, of which a fifth is 35 to 37.
        shares = np.bincount(part.labels) / len(part.labels)
        np.testing.assert_allclose(shares, 0.1, atol=0.01)
    other = datasets.load("digits", seed=1)
    assert not np.array_equal(other.train.images[:10], one.train.images[:10])
    assert abs(one.train.images.mean()) < 1e-5 and one.train.images.std() == pytest.approx(1)


def test_parts_have_no_image_in_common():
    images = np.arange(30, dtype=np.float32).reshape(30, 1, 1, 1)
    data = datasets.split("x", images, np.arange(30) % 2, ("a", "b"), 0)
    values = np.concatenate([part.images.ravel() for part in (data.train, data.valid, data.test)])
    assert len(np.unique(values)) == 30
    # 15 of a class: 3 to validate, 3 to test.
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [18, 6, 6]
    assert data.train.images.mean() == pytest.approx(0, abs=1e-6)


def test_a_folder_of_class_folders(folder):
    (folder / ".hidden").mkdir()
    (folder / "ant" / "notes.txt").write_text("not an image")
    data = datasets.load(str(folder))
    assert data.classes == ("ant", "bee", "cat")
    assert data.train.images.shape == (9, 4, 6, 1)
    Image.new("RGB", (6, 4)).save(folder / "bee" / "coloured.jpg")
    assert datasets.load(str(folder)).image_shape == (4, 6, 3)


def test_an_npz_file(tmp_path):
    images, labels = some()
    path = save(tmp_path / "a.npz", images=images, labels=labels, classes=np.array(list("abc")))
    assert datasets.load(path).classes == ("a", "b", "c")
    path = save(tmp_path / "b.npz", images=images[..., 0], labels=labels.astype(np.uint8))
    assert datasets.load(path).image_shape == (4, 4, 1)


def _cut(folder):
    path = folder / "bee" / "0.png"
    path.write_bytes(path.read_bytes()[:40])


def _text(folder):
    (folder / "bee" / "0.png").write_text("hello")


def _empty_class(folder):
    (folder / "dog").mkdir()


def _other_size(folder):
    Image.new("L", (5, 4)).save(folder / "bee" / "9.png")


def _one_class(folder):
    for name in ("ant", "bee"):
        (folder / name).rename(folder / f".{name}")


def _too_few(folder):
    for number in range(3):
        (folder / "bee" / f"{number}.png").unlink()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_cut, "bee/0.png: is no image or damaged"),
        (_text, "bee/0.png: is no image or damaged"),
        (_empty_class, "dog: no images; accepted are files ending in .png"),
        (_other_size, "bee/9.png: is 5 x 4 pixels and the first image 6 x 4"),
        (_one_class, "has 1 class folders; at least two"),
        (_too_few, "class 'bee' has 2 images; at least 3"),
    ],
)
def test_a_bad_folder_is_one_clear_line(folder, damage, text):
    damage(folder)
    with pytest.raises(DataError, match=text) as caught:
        datasets.load(str(folder))
    assert "\n" not in str(caught.value)


def test_an_image_that_unpacks_to_too_much(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"ant/0.png: is no image or damaged: Image size"):
        datasets.load(str(folder))
    monkeypatch.undo()
    monkeypatch.setattr(folders, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match="more than 100 values"):
        datasets.load(str(folder))


IMAGES, LABELS = some()


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"images": IMAGES}, "labels missing"),
        ({"images": IMAGES[:, 0, 0], "labels": LABELS}, r"images: shape \(12, 3\)"),
        ({"images": IMAGES.astype("U3"), "labels": LABELS}, "images: shape .* of <U3"),
        ({"images": IMAGES * np.nan, "labels": LABELS}, "image 0 has values that are not finite"),
        ({"images": IMAGES, "labels": LABELS[:5]}, r"labels: shape \(5,\)"),
        ({"images": IMAGES, "labels": LABELS * 1.0}, "labels: .* of float64"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels: row 0 is -1; accepted are 0 .. 11"),
        (
            {"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])},
            "labels: row 2 is 2; accepted are 0 .. 1",
        ),
        ({"images": IMAGES, "labels": 0 * LABELS}, "one class only"),
        ({"images": IMAGES, "labels": 2 * (LABELS % 2)}, "class '1' has 0 images"),
        ({"images": 0 * IMAGES, "labels": LABELS}, "every pixel of every image is the same"),
        ({"images": np.array([None] * 12), "labels": LABELS}, "cannot be read"),
    ],
)
def test_a_bad_npz_is_one_clear_line(tmp_path, arrays, text):
    path = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=text) as caught:
        datasets.load(path)
    assert "\n" not in str(caught.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (archives.MAX_BYTES + 1,)}
    )
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images.npy", header.getvalue())
        info = zipfile.ZipInfo("labels.npy")
        with file.open(info, "w") as member:
            member.write(header.getvalue())
        file.filelist[0].file_size = archives.MAX_BYTES + 1  # as its directory claims
    with pytest.raises(DataError, match=r"holds .* bytes; accepted are"):
        datasets.load(str(path))


@pytest.mark.parametrize("name", ["mnist", "no/such/folder", "no_such.npz", ""])
def test_an_unknown_name(name):
    with pytest.raises(UserError):
        datasets.load(name)
    with pytest.raises(UsageError, match="dataset 'mnist': no such data set; accepted are digits"):
        datasets.load("mnist")
