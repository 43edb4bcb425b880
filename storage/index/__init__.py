"""The index: links turned around, joined across fetches and sorted for questions.

A build reads the segments the manifest lists and writes one generation, a directory of Parquet files; a generation is
never changed, only replaced. `policy` says what counts as what, `inputs` makes tables of it, `build` runs the
statements of `sql/`; `numbers`, `turning`, `rollups` and `writing` do what concerns links, as `layout` lays them down;
`publish` makes the result visible; `scan` and `wide` read it for the questions of `storage.query`.
"""
