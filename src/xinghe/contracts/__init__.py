"""The contracts that others rely on, generated: JSON Schemas, the AsyncAPI document, the page of the Redis keys."""
