#!/bin/sh
# Gives the logins that roles.sql has made their passwords; they come from the environment. The
# database's image runs this once, after roles.sql, when it makes the database.
set -eu
psql --quiet --set=ON_ERROR_STOP=1 --username postgres --dbname zhibao \
  --set=migrator="$MIGRATOR_PASSWORD" --set=application="$APPLICATION_PASSWORD" \
  --set=lookup="$LOOKUP_PASSWORD" <<'EOF'
ALTER ROLE zhibao_migrator PASSWORD :'migrator';
ALTER ROLE zhibao PASSWORD :'application';
ALTER ROLE zhibao_lookup PASSWORD :'lookup';
ALTER DATABASE zhibao OWNER TO zhibao_owner;
EOF
