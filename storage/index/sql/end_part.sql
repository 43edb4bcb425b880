-- Drop what was made since the part began.
USE main;
DROP SCHEMA part CASCADE;
