-- How a writer uses crawl.db.
PRAGMA journal_mode = WAL;
-- A commit that was acknowledged must survive a power cut: FULL syncs the log at each commit, seconds apart.
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
-- KiB, negative by SQLite's convention: the hot ends of host queues; what else is read again, the kernel keeps.
PRAGMA cache_size = -8192;
-- The log is cut back to this after a checkpoint, so one huge commit does not keep its disk space.
PRAGMA journal_size_limit = 67108864;
