#!/bin/sh
# What the image runs. With arguments: planb with these. Without: what the environment says, as in the images of dbstash and of
# the Plan B runner, which know a restore by OPERATION_TYPE.
set -eu
if [ "$#" -gt 0 ]; then
    exec planb "$@"
fi
case "${OPERATION_TYPE:-backup}" in
    restore) exec planb restore ;;
    *) exec planb run ;;
esac
