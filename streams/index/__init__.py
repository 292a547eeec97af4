"""The index: a process of its own that copies records of Kafka's topics into Redis (ARCHITECTURE.md, R26)."""
