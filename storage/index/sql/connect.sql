-- The scratch database is thrown away: writing its tables down once more when it is closed took 4 % of a build.
PRAGMA disable_checkpoint_on_shutdown
