"""The table of routes. Rows are added and never changed: the highest version of a name is the one that holds."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table

from argosy.runtime import metadata

gateway_routes = Table(
    "gateway_routes",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("spec", JSON(none_as_null=True)),  # absent: the route was removed
    Column("created_at", BigInteger, nullable=False),
)
