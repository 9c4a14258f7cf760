"""What is remembered of rollouts, and the reports that they send on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollouts",
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("deployment", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("proofs", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("evidence")
    op.drop_table("rollouts")
