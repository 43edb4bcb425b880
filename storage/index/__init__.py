"""The index: links turned around, joined across fetches and sorted for questions.

A build reads the segments the manifest lists and writes one generation, a directory of Parquet files; a generation is
never changed, only replaced. `policy` says what counts as what, `inputs` makes tables of it, `build` runs the
statements of `sql/`, `publish` makes the result visible. Questions are `storage.query`'s.
"""
