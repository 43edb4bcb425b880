-- What is made from now on goes when the part ends.
CREATE SCHEMA part;
USE part;
