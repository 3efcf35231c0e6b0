"""A process that delivers messages, to be killed: ``python -m tests.billing.webhooks.deliver DATABASE_URL AHEAD_S``."""

import sys
import threading

from tests.billing.webhooks.receiver import VAULT

from argosy.billing.webhooks import Deliverer
from argosy.core import now
from argosy.runtime import Database

if __name__ == "__main__":
    ahead_s = int(sys.argv[2])
    Deliverer(Database(sys.argv[1]), VAULT, lambda: now() + ahead_s).run(threading.Event())
