-- Files of a generation never change: their footers are parsed once a connection (bench/index.py).
SET parquet_metadata_cache = TRUE
