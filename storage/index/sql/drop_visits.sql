-- What no statement about links needs: it would be spilt, or take memory from the links.
DROP TABLE visits;
DROP TABLE latest;
DROP TABLE effects;
