"""What an operator must fix before the crawl's data can be read or written.

Rule: an error's docstring is the line printed, after the place and before a detail in brackets.
Bugs (a violated constraint, a closed connection) are not here: they propagate as they are.
`storage.faults` decides which error of the system or of SQLite becomes which of these.
"""

from __future__ import annotations

from pathlib import Path


class StorageError(Exception):
    """The crawl's data cannot be used."""

    def __init__(self, where: Path | str, detail: str = "") -> None:
        super().__init__(where, detail)
        self.where = str(where)
        self.detail = detail

    def __str__(self) -> str:
        advice = type(self).__doc__ or type(self).__name__
        return f"{self.where}: {advice} ({self.detail})" if self.detail else f"{self.where}: {advice}"


class DataDirectoryBusy(StorageError):
    """Another crawl is using this data directory; wait for it, stop it, or set another crawl.data_dir."""


class SchemaMismatch(StorageError):
    """This data was written by another version of Linkmill; use that version, or set a new crawl.data_dir."""


class ForeignDatabase(StorageError):
    """This database was not made by Linkmill; set another crawl.data_dir."""


class DatabaseMissing(StorageError):
    """Segments are here but their database is gone; restore crawl.db, or move the directory away."""


class DataMissing(StorageError):
    """There is no crawl here; check the path, or start one with `linkmill crawl`."""


class DataGone(StorageError):
    """The crawl's files went away while they were in use; look who removed or unmounted them, and start it again."""


class FolderExpected(StorageError):
    """A file stands where a folder is needed; move it, or set another crawl.data_dir."""


class DiskFull(StorageError):
    """The disk is full; free some space and run the command again, what was committed is kept."""


class NotWritable(StorageError):
    """This place is not readable or not writable; check its owner, its permissions and how the disk is mounted."""


class DiskFault(StorageError):
    """The disk reports an error; check the disk and the system's log."""


class DatabaseBusy(StorageError):
    """Another process holds the database for too long; end it and try again."""


class LeaseHeld(StorageError):
    """Another worker holds these shards; they are free once it has ended or its lease has run out."""


class LeaseLost(StorageError):
    """Another worker has taken over the shards of this one, which ends; nothing of its last batch was stored."""


class DataCorrupt(StorageError):
    """Stored data is damaged; restore it from a copy, or set a new crawl.data_dir."""
