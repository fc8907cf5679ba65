#!/bin/sh
# Swap a face by a lendface server: LENDFACE_URL=... LENDFACE_KEY=... swap_with_curl.sh me.jpg clip.mp4 out.mp4
# Needs curl and python3 (to read JSON; jq does as well).
set -eu
source=$1 target=$2 output=$3

api() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $LENDFACE_KEY" "$@"; }
field() { python3 -c 'import json, sys; told = json.load(sys.stdin)
for name in sys.argv[1].split("."): told = told[name]
print(told)' "$1"; }

upload() { # FILE TYPE -> id
    made=$(api --json "{\"name\": \"$(basename "$1")\", \"content_type\": \"$2\", \"size\": $(wc -c <"$1")}" \
        "$LENDFACE_URL/v1/uploads")
    curl --silent --show-error --fail-with-body \
        --header "Content-Type: $2" --upload-file "$1" "$(echo "$made" | field upload.url)"
    echo "$made" | field id
}

face=$(upload "$source" image/jpeg)
film=$(upload "$target" video/mp4)
job=$(api --json "{\"target\": {\"upload_id\": \"$film\"}, \"pairs\": [{\"source\": {\"upload_ids\": [\"$face\"]}}]}" \
    --header "Idempotency-Key: $(basename "$output")-$film" "$LENDFACE_URL/v1/swaps" | field id)

api --no-buffer "$LENDFACE_URL/v1/jobs/$job/events" | grep '^event: ' # until the job has ended
api "$LENDFACE_URL/v1/jobs/$job" | field state
api --location --output "$output" "$LENDFACE_URL/v1/jobs/$job/result"
