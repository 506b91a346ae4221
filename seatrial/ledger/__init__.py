"""What happened: events, spool, table, queries; appended, compacted, aggregated, retained, never edited."""
