#!/bin/sh
# The way back: the newest backup of one database out of the bucket into a folder, and from there into the server.
#   restore.sh DATABASE       the rest as for backup.sh
set -eu
database=$1
dumps=${DUMPS:-/tmp/downloaded_dumps}
export DB_ENGINE="${DB_ENGINE:-postgres}"

planb download latest --source-database "$database" --from "$STORE" --dir "$dumps"
planb restore latest --source-database "$database" --from "$dumps" --database "$database"
