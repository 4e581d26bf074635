#!/bin/sh
# Calls the binary for a transcript, and makes what it prints the same at each run.
unset KEYWARD_SWEEP_DIR KEYWARD_TEST_FAST KEYWARD_TEST_PYTHON KEYWARD_TEST_NODE_DIR XDG_CONFIG_HOME
HOME=$PWD/home
export HOME
for argument; do
    shift
    argument=$(printf '%s' "$argument" | sed \
        -e "s|$TRANSCRIPT_EXAMPLE|$TRANSCRIPT_TOKEN|g" -e "s|<account>|$TRANSCRIPT_ACCOUNT|g" \
        -e "s|<control>|$TRANSCRIPT_CONTROL|g" -e "s|<gateway>|$TRANSCRIPT_GATEWAY|g")
    set -- "$@" "$argument"
done
# Whether the usual ports are free is the machine's affair.
if [ "$1" = doctor ]; then
    export KEYWARD_GATEWAY_LISTEN=127.0.0.1:0 KEYWARD_CONTROL_LISTEN=127.0.0.1:0
fi
input=/dev/null
[ -f stdin ] && input=stdin
printed=$(mktemp)
"$TRANSCRIPT_BIN" "$@" <"$input" >"$printed" 2>&1
code=$?
sed -E \
    -e "s|$TRANSCRIPT_TOKEN|$TRANSCRIPT_EXAMPLE|g" \
    -e "s|$TRANSCRIPT_API_TOKEN|<id>|g" \
    -e "s|$TRANSCRIPT_ACCOUNT|<account>|g" \
    -e "s|$TRANSCRIPT_CONTROL|<control>|g" \
    -e "s|$TRANSCRIPT_GATEWAY|<gateway>|g" \
    -e "s|$PWD/||g" \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z/<time>/g' \
    -e 's/kw_(gw|api)_[0-9A-Za-z]{12}_[0-9A-Za-z]{40,}/kw_\1_<token>/g' \
    -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/<uuid>/g' \
    -e 's/\b[0-9a-f]{32}\b/<hex>/g' \
    -e 's/"revision":"[0-9a-f]{64}"/"revision":"<hex>"/g' \
    -e 's/^(revision\t)[0-9a-f]{64}$/\1<hex>/' \
    -e 's/(\[::1\]|127\.0\.0\.1|localhost):[0-9]{4,5}/\1:<port>/g' \
    -e 's/[0-9]+ MiB free/<n> MiB free/g' \
    -e 's/[0-9]+ certificate authorities/<n> certificate authorities/g' \
    -e 's/[0-9]+ MiB for [0-9]+ connections; [^;]* open files; memory may be [^"]*/<limits>/g' \
    -e 's/(schema"?[ \t:])[0-9]+/\1<n>/g' \
    -e 's/(token[ \t])[0-9A-Za-z]{12}\b/\1<id>/g' \
    -e 's/^[0-9A-Za-z]{12}\t/<id>\t/' \
    -e 's/"id":"[0-9A-Za-z]{12}"/"id":"<id>"/g' \
    -e 's/••••[0-9a-f]{4}\b/••••<end>/g' \
    "$printed"
rm -f "$printed"
exit $code
