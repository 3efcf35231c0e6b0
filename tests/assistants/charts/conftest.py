import json

import pytest

from argosy.assistants.charts import Table
from argosy.samples import table_path


@pytest.fixture(scope="package")
def english():
    with Table.open(table_path("en")) as table:
        yield table


@pytest.fixture(scope="package")
def chinese():
    with Table.open(table_path("zh")) as table:
        yield table


@pytest.fixture(scope="package")
def answer():
    """Writes a spec as a model would: the defaults, with some fields changed."""
    plain = {
        "chart": "bar",
        "measure": "sales",
        "aggregate": "sum",
        "group_by": "region",
        "filters": {},
        "start": None,
        "end": None,
    }
    return lambda **fields: json.dumps({**plain, **fields}, ensure_ascii=False)
