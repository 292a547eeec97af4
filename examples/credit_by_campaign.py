"""What each campaign earned under each model: `python examples/credit_by_campaign.py attributions.parquet`.

Needs duckdb (`pip install duckdb`) and a file by `xinghe export --what attributions attributions.parquet`.
"""

import sys

import duckdb

# A row is one credit, so one order has several: add up the parts (gmv_fen), never the whole (amount_fen), and group
# by model, since each model splits the same orders anew.
QUERY = """
SELECT
    model,
    campaign_id,
    sum(orders_micros) / 1e6 AS orders,
    sum(gmv_fen) / 100 AS gmv_yuan,
    sum(gmv_fen - coalesce(refund_fen, 0)) / 100 AS net_gmv_yuan,
    count(DISTINCT person_id) FILTER (new_customer) AS new_buyers
FROM read_parquet($file)
GROUP BY ALL
ORDER BY model, net_gmv_yuan DESC, campaign_id
"""

if __name__ == "__main__":
    found = duckdb.execute(QUERY, {"file": sys.argv[1]})
    print(*(column[0] for column in found.description), sep="\t")
    for row in found.fetchall():
        print(*row, sep="\t")
