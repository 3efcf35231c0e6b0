"""What the reports of usage and costs are asked, in the words of OpenAI's administration API.

Beyond it, ``group_by=metadata.NAME`` groups by what callers said of their requests, and ``metadata[NAME]=VALUE`` keeps
those that said so.
"""

import re
from typing import Annotated

from fastapi import Depends, Query, Request

from argosy.billing.reports import Question
from argosy.core import Invalid, now

COLUMNS = {
    "project_id": "project_id",
    "api_key_id": "key_id",
    "model": "model",
    "line_item": "model",
    "batch": "batch",
}
"""What can be grouped by, and the column behind it. A line item is a model and a quantity."""
TAG = "metadata."
_TAGS_MAX = 4
_NAMED = re.compile(r"metadata\[(.{1,64})\]", re.DOTALL)
_SECONDS_MAX = 10**12
"""Later than anyone will ask for; in microseconds it still fits a column."""
_List = Annotated[list[str], Query(default_factory=list)]


class Asked:
    """The query parameters that all reports share."""

    def __init__(
        self,
        request: Request,
        start_time: Annotated[int, Query(ge=0, le=_SECONDS_MAX)],
        group_by: _List,
        project_ids: _List,
        api_key_ids: _List,
        models: _List,
        end_time: Annotated[int | None, Query(ge=0, le=_SECONDS_MAX)] = None,
        limit: Annotated[int | None, Query(ge=1)] = None,
        page: str | None = None,
        batch: bool | None = None,
    ) -> None:
        def both(name: str, plain: list[str]) -> list[str]:
            return plain + request.query_params.getlist(f"{name}[]")  # as OpenAI's clients write lists

        self.start_time, self.end_time, self.limit, self.page = start_time, end_time, limit, page
        self.group_by = both("group_by", group_by)
        named = {"project_id": both("project_ids", project_ids), "key_id": both("api_key_ids", api_key_ids)}
        named["model"] = both("models", models)
        self.only: dict[str, list[str] | list[bool]] = {column: values for column, values in named.items() if values}
        if batch is not None:
            self.only["batch"] = [batch]
        for name in request.query_params:
            if found := _NAMED.fullmatch(name):
                _check_tag(found[1], "metadata")
                self.only[TAG + found[1]] = request.query_params.getlist(name)
        if any("\0" in value for values in self.only.values() for value in values if isinstance(value, str)):
            raise Invalid("No name holds the character U+0000.", code="invalid_value")

    def question(
        self, width: tuple[int, int, int], allowed: tuple[str, ...], without: tuple[str, ...] = ()
    ) -> Question:
        """The question to the books. ``width``: seconds of a bucket, buckets by default and at most. Raises Invalid."""
        width_s, default, most = width
        limit = self.limit or default
        if limit > most:
            raise Invalid(f"At most {most} buckets of this width at a time.", code="limit_too_high", param="limit")
        start, end = self._start(), self.end()
        if start >= end:
            raise Invalid("end_time must lie after start_time.", code="invalid_time_range", param="end_time")
        return Question(start, end, width_s, limit, self.groups(allowed), self.only, without)

    def groups(self, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """What is grouped by, in the words of `Question`. Raises Invalid."""
        tags = [name for name in self.group_by if name.startswith(TAG) and name != TAG]
        if unknown := set(self.group_by) - set(allowed) - set(tags):
            raise Invalid(
                f"Cannot group by {', '.join(sorted(unknown))}. Choose from {', '.join(allowed)}, metadata.NAME.",
                code="invalid_group_by",
                param="group_by",
            )
        if len(set(tags)) > _TAGS_MAX:
            raise Invalid(f"At most {_TAGS_MAX} metadata names at a time.", code="invalid_group_by", param="group_by")
        for tag in tags:
            _check_tag(tag.removeprefix(TAG), "group_by")
        items = ("measured",) if "line_item" in self.group_by else ()
        return (*(COLUMNS.get(name, name) for name in self.group_by), *items)

    def end(self) -> int:
        """The time asked for, or now."""
        return now() + 1 if self.end_time is None else self.end_time

    def _start(self) -> int:
        if self.page is None:
            return self.start_time
        kind, _, number = self.page.partition("_")
        if kind != "page" or not number.isdecimal() or len(number) > len(str(_SECONDS_MAX)):
            raise Invalid("That is not a page. Send back next_page as it came.", code="invalid_page", param="page")
        return max(int(number), self.start_time)


AskedFor = Annotated[Asked, Depends(Asked)]


def _check_tag(name: str, param: str) -> None:
    if "\0" in name or len(name) > 64:
        raise Invalid(
            "A name in metadata has at most 64 characters, none of them U+0000.", code="invalid_value", param=param
        )
