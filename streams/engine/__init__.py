"""An exactly-once, batch-delivering extension of faust-streaming. It knows nothing of campaigns or notes.

A stage has source topics and tables; a task is one partition of a stage. Each commit of a task is one Kafka
transaction with the changelog records of its tables, its outputs and its source offsets.

Invariants:

* An offset is committed only in the transaction that holds its outputs and changelog records.
* Memory that did not commit is never carried on with: a failed commit ends the process.
* A task is opened in this order: producer (fences the former owner, ends its transaction), changelog, offsets.
* Nothing is done per event that can be done per batch or commit: no send, log line, metric or await.
"""
