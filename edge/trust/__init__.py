"""What may be believed: one `judge` for every document, on hub, node and edgectl alike.

Order of work: size cap and spelling (`edge.envelope`), who signed, strict parse, fleet,
who may say such a thing, recipient, version. `judge` changes nothing; the caller writes
the accepted bytes to disk first and then tells the `Ledger` with `record`.
"""

from edge.trust.judge import judge
from edge.trust.ledger import Enrolled, Head, Ledger
from edge.trust.secrets import doubt, open_secret, readers, withheld
from edge.trust.verdict import Accepted, Known, Refused, Verdict

__all__ = [
    "Accepted",
    "Enrolled",
    "Head",
    "Known",
    "Ledger",
    "Refused",
    "Verdict",
    "doubt",
    "judge",
    "open_secret",
    "readers",
    "withheld",
]
