"""HTTP for every noun: problem documents, access log, limits, paging, entity tags, CSV and OpenAPI."""
