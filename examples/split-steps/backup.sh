#!/bin/sh
# bak's steps, each by itself: the dumps of today into a folder, from there into the bucket.
#   DB_HOST, DB_PORT, DB_USER, DB_PASSWORD   the PostgreSQL server
#   STORE                                    s3://bucket/prefix?endpoint=https://...; the keys in AWS_ACCESS_KEY_ID and
#                                            AWS_SECRET_ACCESS_KEY
set -eu
dumps=${DUMPS:-/tmp/db_dumps}
export DB_ENGINE="${DB_ENGINE:-postgres}"

planb databases
planb dump --dir "$dumps" --jobs 4
planb upload --dir "$dumps" --to "$STORE"
