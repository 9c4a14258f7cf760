"""What a broker that is not the hub's needs to serve the fleet.

A certificate of the fleet's CA for its own key, the CA that devices' certificates come
from, the revocation list, and the rules in Mosquitto's words. Another product needs the
same rules in its own: a device reads ``fleet/…`` and its own ``nodes/<name>/…``, and
writes only what docs/protocol.md says it writes.

The list ages: ``crl.pem`` in the hub's state folder is the one to copy from then on.
"""

from collections.abc import Mapping, Sequence

from edge.errors import ConfigError
from edge.names import FleetName
from edge.tls import Validity
from hub import admission, archive, authority, mosquitto_config, registry, state
from hub.identity import SERVER_FOR, Identity
from hub.mosquitto_config import ACL, CA, CERTIFICATE, CRL, KEY
from hub.store import Store


def broker(
    me: Identity, store: Store, hosts: Sequence[str], now: float
) -> Mapping[str, bytes]:
    """Return the files by name; raise `ConfigError` for a hub nobody adopted."""
    known = state.restore(me.key.public, archive.read(store))
    if not known.is_adopted:
        problem = "cannot write rules for a broker: the hub belongs to no fleet yet"
        raise ConfigError(f"{problem}; adopt it first")
    key = authority.generate_key()
    window = Validity(not_before=authority.EPOCH, not_after=now + SERVER_FOR)
    serials = registry.revoked_serials(known.issued, known.ledger, now)
    rules = mosquitto_config.acl(
        FleetName(known.ledger.fleet), admission.viewers(known, now)
    )
    return {
        CA: me.ca_pem,
        KEY: key,
        CERTIFICATE: authority.issue_server(me.ca, list(hosts), key, window),
        CRL: authority.crl(me.ca, serials, now, number=int(now)),
        ACL: rules.encode(),
    }
