-- The roles of one installation. A superuser of the server runs this, connected to the database
-- `zhibao`, before the first `zhibao migrate` and again after an upgrade that asks for it; a second
-- time it changes nothing. Passwords are set apart: \password zhibao_migrator, \password zhibao …
--
--   zhibao_owner        owns everything, and nobody signs in as it
--   zhibao_migrator     signs in to change the structure, and to take and load copies
--   zhibao_application  what the API and the workers may do: own nothing, only add to the record
--   zhibao_public       what the public is shown, and not a word more
--   zhibao_enforcement  that and when something was filed, and never what
--   zhibao_auditor      reads, in the regions whose roles it was given
DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['zhibao_owner', 'zhibao_application', 'zhibao_public',
                                 'zhibao_enforcement', 'zhibao_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', named);
        END IF;
    END LOOP;
    FOREACH named IN ARRAY ARRAY['zhibao_migrator', 'zhibao', 'zhibao_lookup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', named);
        END IF;
    END LOOP;
END $$;

ALTER ROLE zhibao_owner CREATEDB;
ALTER ROLE zhibao NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT zhibao_owner TO zhibao_migrator;
ALTER ROLE zhibao_migrator SET role = 'zhibao_owner';
GRANT zhibao_application, zhibao_public, zhibao_enforcement TO zhibao;
GRANT zhibao_public TO zhibao_lookup;

-- What an earlier version had the application own goes to the owner.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_database WHERE datname = current_database()
               AND datdba = 'zhibao'::regrole)
       OR EXISTS (SELECT FROM pg_class WHERE relowner = 'zhibao'::regrole) THEN
        REASSIGN OWNED BY zhibao TO zhibao_owner;
    END IF;
END $$;
