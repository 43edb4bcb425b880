-- What is not needed once the links of pages visited more than once were read.
DROP TABLE shown;
DROP TABLE repeated;
DROP TABLE histories;
DROP TABLE replaced;
