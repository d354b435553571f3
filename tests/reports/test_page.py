"""The page: it parses, stands alone, escapes, and invents nothing."""

import base64
import copy
import html.parser
import re

import pytest

from pnag_jax import reports
from pnag_jax.reports.markup import NOT_MEASURED

VOID = {"img", "meta", "wbr"}


class Page(html.parser.HTMLParser):
    """Checks nesting; collects texts, images and whatever names an address."""

    def __init__(self, source: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.images: list[dict[str, str]] = []
        self.addresses: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.addresses += [v for k, v in found.items() if k in ("src", "href", "action")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts).replace("\N{NO-BREAK SPACE}", " ")

    @property
    def headings(self) -> list[str]:
        return [t for t in self.texts if t in HEADINGS]


HEADINGS = ("Search", "Best architectures", "Generation", "Training", "How it was run")


def written(workdir, results, metrics=()) -> Page:
    reports.write(workdir, results, metrics)
    return Page((workdir / "report.html").read_text(encoding="utf-8"))


# One graph, one pair of graphs, one long chain: every space has tests of its drawing.
@pytest.mark.parametrize("name", ["nb201", "darts", "gpt2"])
def test_page_of_a_run(tmp_path, run_of, metrics, cheap_pictures, name):
    results = run_of(name)
    page = written(tmp_path, results, metrics)
    assert tuple(page.headings) == HEADINGS
    for entry in results["best"]:
        assert entry["architecture"] in "".join(page.texts)
    for fact in ("94.37", "99.94 %", "10.40 %", "10.02 %", "1.23 M", "2,000 steps"):
        assert fact in page.text
    assert "It falls at every scale." in page.text
    assert "--workdir=runs/first run'" in page.text  # the command, quoted for a shell
    # 3 of search and generation, 6 of training, and the drawings
    drawings = len(results["best"]) + 12 + len(results["generation"]["path"])
    assert len(page.images) == 3 + 6 + drawings


def test_images_are_inside_and_beside_the_page(tmp_path, results, metrics):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "of_an_earlier_page.png").write_bytes(b"")
    page = written(tmp_path, results, metrics)
    kept = {path.read_bytes() for path in (tmp_path / "plots").glob("*.png")}
    shown = set()
    for image in page.images:
        assert image["alt"] and int(image["width"]) > 0 and int(image["height"]) > 0
        head, data = image["src"].split(",")
        assert head == "data:image/png;base64"
        shown.add(base64.b64decode(data))
    assert shown == kept
    assert all(data.startswith(b"\x89PNG") for data in shown)


def test_nothing_comes_from_elsewhere_and_nothing_runs(tmp_path, results, metrics, cheap_pictures):
    page = written(tmp_path, results, metrics)
    assert all(address.startswith("data:") for address in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "report.html").read_text(), re.S)[1]
    assert "url(" not in style and "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plots", "report.html"]


def test_the_same_results_give_the_same_bytes(tmp_path, results, metrics, cheap_pictures):
    sources = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        reports.write(tmp_path / name, copy.deepcopy(results), copy.deepcopy(metrics))
        sources.append((tmp_path / name / "report.html").read_bytes())
    assert sources[0] == sources[1]


def test_writing_again_replaces_the_page(tmp_path, results, cheap_pictures):
    written(tmp_path, results)
    page = written(tmp_path, {"space": results["space"]})
    assert page.images == []


def test_hostile_text_stays_text(tmp_path, results, cheap_pictures):
    evil = "<script>alert('&')</script>\"><img src=x onerror=y>"
    results["best"][0] = {**results["best"][0], "architecture": evil}
    results["search"] |= {"task": evil, "report_metric": evil, "search_metric": evil,
                          "method": evil}  # fmt: skip
    results["config"] = {evil: evil}
    results["command"] = [evil]
    results["environment"] = {evil: evil, "device_kind": evil}
    results["generation"]["sampling"] = evil
    page = written(tmp_path, results)
    assert "script" not in page.tags
    assert all(image["src"].startswith("data:") for image in page.images)
    assert page.text.count(evil) >= 6
    assert "not drawn: " in page.text


def test_comparison_has_a_table_and_a_plot_a_task(tmp_path, comparison, cheap_pictures):
    page = written(tmp_path, comparison)
    assert page.headings == ["Search", "How it was run"]
    assert len(page.images) == 4
    for method in ("random", "evolution", "local_search", "marginal_eda", "pnag_counts"):
        assert page.texts.count(method) >= 4
    assert "not reached" in page.text
    assert page.texts.count("optimum of the table") == 0  # lives in the picture
    assert "The optimum of the table is 94.373." in page.text
    assert "to best search value" in page.texts and "foreign labels" in page.texts
    leaders = re.findall(r"lead-value\">([\d.]+)", (tmp_path / "report.html").read_text())
    assert leaders == [
        f"{mean:.2f}"
        for row in comparison["search"]
        if row["method"] == "pnag_counts"
        for mean in row["mean"]
    ]


def test_chance_has_one_row(tmp_path, comparison, cheap_pictures):
    assert "uniform draws" not in written(tmp_path, comparison).texts
    rows = [row for row in comparison["search"] if row["method"] != "random"]
    page = written(tmp_path, {**comparison, "search": rows})
    assert page.texts.count("uniform draws") == len({row["task"] for row in rows})


def test_where_less_is_better_the_least_leads(tmp_path, comparison, cheap_pictures):
    rows = [
        {"task": "t", "method": m, "queries": [16, 48], "mean": mean, "optimum": 0.002}
        for m, mean in (("slow", [0.009, 0.0081]), ("fast", [0.0085, 0.0031]))
    ]
    page = written(tmp_path, {**comparison, "search": rows})
    source = (tmp_path / "report.html").read_text()
    assert re.findall(r"lead-value\">([\d.]+)", source) == ["0.008500", "0.003100"]
    assert "<b>fast</b>" in source and "Less is better." in page.text


@pytest.mark.parametrize("absent", ["search", "best", "generation", "training"])
def test_absent_sections_leave_no_trace(tmp_path, results, cheap_pictures, absent):
    results[absent] = None
    page = written(tmp_path, results)
    title = {"best": "Best architectures"}.get(absent, absent.capitalize())
    assert title not in page.headings
    assert len(page.headings) == 4


def nulled(value):
    """The same nesting with null at every leaf."""
    if isinstance(value, dict):
        return {key: nulled(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [nulled(item) for item in value]
    return None


@pytest.mark.parametrize("kind", ["run", "comparison"])
def test_nulls_are_not_invented(tmp_path, results, comparison, metrics, cheap_pictures, kind):
    empty = nulled(results if kind == "run" else comparison)
    page = written(tmp_path, empty, [nulled(line) for line in metrics])
    body = page.text[page.text.index("Architectures") :] if kind == "run" else page.text
    words = re.sub(r"#\d+", "", body[body.rindex("}") + 1 :])
    assert page.images == []
    assert not re.search(r"\d|None|nan|null", words), words


def test_single_nulls_read_as_not_measured(tmp_path, results, cheap_pictures):
    results["best"][1]["params"] = None
    page = written(tmp_path, results)
    assert NOT_MEASURED in page.texts
    for entry in results["best"]:
        entry["flops"] = None
    assert "FLOPs" not in written(tmp_path, results).texts


def test_v_that_does_not_fall_is_said(tmp_path, results, cheap_pictures):
    v = results["training"]["v_per_scale"]
    v[2] = v[1]
    scale = results["training"]["scales"][2]
    assert f"It does not fall at {scale} nodes." in written(tmp_path, results).text


def test_a_full_disk_keeps_the_old_page(tmp_path, results, cheap_pictures, monkeypatch):
    written(tmp_path, results)
    before = (tmp_path / "report.html").read_bytes()

    def refuse(source, target):
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        reports.write(tmp_path, {**results, "best": None}, ())
    assert (tmp_path / "report.html").read_bytes() == before
