"""What holds of money cost a request, in microseconds of the API's loop: without any budget, and with some.

usage: python -m bench.holds_cost [DATABASE_URL]     (prints JSON; SQLite in a folder of its own by default)
Each figure is the median of five rounds of 20,000 requests, one after the other; processor time of the loop's thread.
"""

import json
import sys
import tempfile
from pathlib import Path

import uvloop

from argosy.billing import funds
from argosy.gateway.funds import Purses
from argosy.identity import Caller, bootstrap, organization_of
from argosy.runtime import Database, metadata
from bench.limits_cost import cost


async def measure(database: Database) -> dict[str, float]:
    """Microseconds a request."""
    with database.write() as tx:
        project_id = bootstrap(tx).project_id
        organization = organization_of(tx, project_id).id
    caller = Caller("key_1", project_id, organization, "argosy", frozenset({"inference"}))
    purses = Purses(database, "jrn_bench", lambda: 0)

    async def held() -> None:
        if hold := await purses.reserve(caller, "tiny", lambda: 500):
            hold.settle(80)

    purses.refresh()
    found = {"no budget": await cost(held)}
    places = {"organization": organization, "project": project_id, "key": "key_1"}
    for count in (1, 3):
        for scope, subject in list(places.items())[:count]:
            with database.write() as tx:
                given = {"period": "month", "hard": True, "currency": "USD", "allowed": 10**15}
                funds.put_budget(tx, organization, scope, subject, **given)  # type: ignore[arg-type]
        purses.refresh()
        found[f"{count} budgets"] = await cost(held)
    await purses.stop()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        opened = Database(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'bench.sqlite'}")
        metadata.create_all(opened.engine)
        print(json.dumps(uvloop.run(measure(opened)), indent=1))
        opened.close()
