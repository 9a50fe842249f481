#!/usr/bin/env bash
# Run by the image of PostgreSQL when its volume is new: makes the role of tandem in this database.
set -euo pipefail
password=$(</run/secrets/"${POSTGRES_DB/#tandem/state}"-password)
psql --no-psqlrc --set ON_ERROR_STOP=1 --set "password=$password" --username "$POSTGRES_USER" \
    --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE tandem LOGIN PASSWORD :'password';
SELECT format('GRANT CONNECT, CREATE ON DATABASE %I TO tandem', current_database()) \gexec
SQL
