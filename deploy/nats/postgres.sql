-- The database of the hubs, as a superuser: `psql --file postgres.sql`, then `\password distlogd` and `\password reader`.
CREATE ROLE distlogd LOGIN;
CREATE ROLE reader LOGIN;
CREATE DATABASE logs OWNER distlogd ENCODING 'UTF8' TEMPLATE template0;
\connect logs
CREATE SCHEMA distlog AUTHORIZATION distlogd;
GRANT USAGE ON SCHEMA distlog TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE distlogd IN SCHEMA distlog GRANT SELECT ON TABLES TO reader;
