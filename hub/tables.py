"""The hub's tables as SQLAlchemy sees them; ``hub/migrations`` makes them."""

import sqlalchemy as sa

META = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENTS = sa.Table(
    "documents",
    META,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("stream", sa.Text),
    sa.Column("version", sa.BigInteger),
    sa.Column("counter", sa.Text),
    sa.Column("digest", sa.Text),
    sa.Column("envelope", sa.LargeBinary),
    sa.Column("at", sa.Double),
)
REPORTS = sa.Table(
    "reports",
    META,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("envelope", sa.LargeBinary),
    sa.Column("facts", sa.LargeBinary),
    sa.Column("instances", sa.Text),
    sa.Column("at", sa.Double),
)
PLACEMENTS = sa.Table(
    "placements",
    META,
    sa.Column("slot", sa.Text, primary_key=True),
    sa.Column("node", sa.Text),
    sa.Column("term", sa.BigInteger),
)
CERTIFICATES = sa.Table(
    "certificates",
    META,
    sa.Column("serial", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("issued_at", sa.Double),
    sa.Column("not_after", sa.Double),
    sa.Column("pem", sa.LargeBinary),
)
ROLLOUTS = sa.Table(
    "rollouts",
    META,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger),
    sa.Column("memory", sa.LargeBinary),
)
EVIDENCE = sa.Table(
    "evidence",
    META,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger),
    sa.Column("proofs", sa.LargeBinary),
)
EVENTS = sa.Table(
    "events",
    META,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("at", sa.Double),
    sa.Column("kind", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("text", sa.Text),
)
VALUES = sa.Table(
    "meta",
    META,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text),
)
