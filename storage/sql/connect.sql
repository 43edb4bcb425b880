-- How a writer uses crawl.db.
PRAGMA journal_mode = WAL;
-- A commit that was acknowledged must survive a power cut: FULL syncs the log at each commit, seconds apart.
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
-- KiB, negative by SQLite's convention: what a crawl reads again and again, of each worker; all else the kernel keeps.
-- With four times as much, reads of host queues cost the same (`python -m bench.frontier`, 255 to 293 us a read).
PRAGMA cache_size = -2048;
-- The log is cut back to this after a checkpoint, so one huge commit does not keep its disk space.
PRAGMA journal_size_limit = 67108864;
