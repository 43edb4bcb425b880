"""The statements of the crawl database: one file per reader of it."""
