"""Many machines, one key: queue, journal, limits and budget in one PostgreSQL."""
