# bash completion of keyward. Made by `keyward completions bash`.
_keyward() {
    local line files=
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files) files=yes ;;
            ?*) COMPREPLY+=("$line") ;;
        esac
    done < <(command keyward complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
    if [[ -n $files ]]; then
        # bash quotes what it knows to be the name of a file.
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$2")
    fi
}
complete -F _keyward keyward
