-- What workers, and those who only read, may do. Run it as the role that has made the tables
-- (pubrio-async database upgrade), in the database they are in:
--
--     psql postgresql://owner@db/pubrio -f roles.sql
--
-- Passwords are not set here: \password pubrio_worker, or another way of logging in.

CREATE ROLE pubrio_worker LOGIN;
CREATE ROLE pubrio_reader LOGIN;

GRANT USAGE ON SCHEMA pubrio_async TO pubrio_worker, pubrio_reader;

-- worker and enqueue: rows, and nothing else. They make, change and drop no tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pubrio_async TO pubrio_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pubrio_async TO pubrio_worker;
-- Which version the tables are of is the owner's to say.
REVOKE INSERT, UPDATE, DELETE ON pubrio_async.layout FROM pubrio_worker;

-- export and status. What was found is personal data: give this role to few.
GRANT SELECT ON ALL TABLES IN SCHEMA pubrio_async TO pubrio_reader;

-- Tables that a later upgrade makes.
ALTER DEFAULT PRIVILEGES IN SCHEMA pubrio_async
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pubrio_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA pubrio_async GRANT USAGE ON SEQUENCES TO pubrio_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA pubrio_async GRANT SELECT ON TABLES TO pubrio_reader;
