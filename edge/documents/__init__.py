"""Every kind of signed document: its shape, its payload type, its stream.

A kind's shape changes only by a new payload type (``…deployment.v2+json``); unknown
fields are refused, so a device never half-understands an order. Reserved kinds come
with the features that need them and are refused until then.
"""

from edge.documents.codec import (
    RESERVED,
    SHAPES,
    encode,
    identity,
    kind_of,
    parse,
    payload_type,
    sign,
)
from edge.documents.orders import (
    Deployment,
    Node,
    Revocation,
    Secret,
    SecretValue,
    Session,
    Tombstone,
    Voucher,
)
from edge.documents.roots import HubSite, KeySet, Operator, Scope, Trust
from edge.documents.shape import (
    PEM_MAX,
    Box,
    Document,
    Id,
    Ids,
    Parent,
    Recipient,
    Scheduling,
    SecretName,
    Subject,
    Threshold,
)
from edge.documents.voices import (
    Assignment,
    Beacon,
    CertificateRequest,
    DeviceKeys,
    Member,
    Report,
)

__all__ = [
    "PEM_MAX",
    "RESERVED",
    "SHAPES",
    "Assignment",
    "Beacon",
    "Box",
    "CertificateRequest",
    "Deployment",
    "DeviceKeys",
    "Document",
    "HubSite",
    "Id",
    "Ids",
    "KeySet",
    "Member",
    "Node",
    "Operator",
    "Parent",
    "Recipient",
    "Report",
    "Revocation",
    "Scheduling",
    "Scope",
    "Secret",
    "SecretName",
    "SecretValue",
    "Session",
    "Subject",
    "Threshold",
    "Tombstone",
    "Trust",
    "Voucher",
    "encode",
    "identity",
    "kind_of",
    "parse",
    "payload_type",
    "sign",
]
