"""The whole story against a platform of paper: what it reports, what it charges, and when it does not pass."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from argosy.demo import DemoOptions, run
from argosy.demo.display import Display
from argosy.demo.following import JobFailed
from argosy.demo.story import Story

pytestmark = pytest.mark.usefixtures("unhurried")


def tell(platform: Any, out: Path, **options: Any) -> tuple[dict[str, Any], str]:
    said = io.StringIO()
    display = Display(Console(file=said, width=120))
    told = Story(DemoOptions(out=out, sample=36, **options), platform, display).tell()
    return told, said.getvalue()


def test_the_story_is_told_in_seven_steps_and_passes(paper: Any, tmp_path: Path) -> None:
    document, said = tell(paper, tmp_path)
    assert document["passed"], document["failures"]
    assert [line.split(" ", 1)[0] for line in said.splitlines() if line[:1].isdigit()] == [
        f"{n}/7" for n in range(1, 8)
    ]
    assert json.loads((tmp_path / "report.json").read_text()) == document
    for part in document["languages"].values():
        assert part["verdict"] == "better"
        assert (part["base_rows"], part["tuned_rows"]) == (24, 36)
        assert [one["way"] for one in part["scores"]][-1] == "tuned_free"
        assert len(part["job"]["curve"]) == 75
        assert part["job"]["phases_s"]["train"] == 96.0
        assert set(part["job"]["reached_s"]) <= {"validating_files", "queued", "running", "succeeded"}
    assert [(one["right"], one["problem"]) for one in document["drawn"]] == [(True, None)] * 4
    assert all((tmp_path / one["file"]).read_bytes().startswith(b"\x89PNG") for one in document["drawn"])


def test_the_bill_adds_up_to_the_micro_unit_training_included(paper: Any, tmp_path: Path) -> None:
    document, _ = tell(paper, tmp_path, languages=("en",))
    bill = document["bill"]
    assert bill["adds_up"]
    assert bill["posted"] == sum(one["amount"] for one in paper.ledger if one["account"] == "receivable")
    assert sum(line["training"] for line in bill["lines"]) == 40_000
    # 24 rows asked in four ways, the first answer, 36 rows, 2 drawn.
    assert sum(line["requests"] for line in bill["lines"]) == 96 + 1 + 36 + 2


def test_one_micro_unit_too_much_is_found_and_fails(paper: Any, tmp_path: Path) -> None:
    paper.overcharge = 1
    document, _ = tell(paper, tmp_path, languages=("en",))
    assert not document["passed"]
    assert "does not add up" in document["failures"][0]
    assert len(document["bill"]["differing"]) == 96 + 1 + 36 + 2 + 1


def test_an_invoice_that_differs_from_the_ledger_fails(paper: Any, tmp_path: Path) -> None:
    paper.uninvoiced = 1
    document, _ = tell(paper, tmp_path, languages=("en",))
    assert "does not add up" in document["failures"][0]


def test_a_model_that_learned_nothing_fails(paper: Any, tmp_path: Path) -> None:
    paper.tuned_knows = False
    document, _ = tell(paper, tmp_path, languages=("zh",))
    assert not document["passed"]
    assert "not better" in document["failures"][0]
    assert document["drawn"][0]["problem"]


def test_a_job_that_fails_ends_the_story_with_its_reason(paper: Any, tmp_path: Path) -> None:
    paper.fail_jobs = True
    with pytest.raises(JobFailed, match="ran out of memory"):
        tell(paper, tmp_path, languages=("en",))


def test_an_earlier_bill_is_not_this_one(paper: Any, tmp_path: Path) -> None:
    paper._post("req_before", "x", 5)
    document, _ = tell(paper, tmp_path, languages=("en",))
    assert document["bill"]["adds_up"]


def test_an_unknown_language_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(DemoOptions(languages=("fr",))) == 2
    assert "en and zh" in capsys.readouterr().out


def test_the_page_is_self_contained_and_escapes_what_a_model_wrote(
    paper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(paper), "_answer", lambda self, body: "<script>alert(1)</script>")
    tell(paper, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "This run does not pass" in page
    # Nothing is loaded: every source is a data URL, and no style sheet or script is named.
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "url(" not in page
