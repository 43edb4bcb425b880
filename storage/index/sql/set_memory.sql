-- What the database may hold in memory from now on; what it has beyond that is dropped, or spilt.
SET memory_limit = $memory
