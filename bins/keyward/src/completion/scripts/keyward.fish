# fish completion of keyward. Made by `keyward completions fish`.
function __keyward_complete
    set --local words (commandline --current-process --tokenize --cut-at-cursor)
    set --local current (commandline --current-token --cut-at-cursor)
    for line in (command keyward complete fish (count $words) $words "$current" 2>/dev/null </dev/null)
        if test "$line" = :files
            set --local option (string match --regex -- '^--[^=]*=' "$current")
            for path in (__fish_complete_path (string replace --regex -- '^--[^=]*=' '' "$current"))
                printf '%s%s\n' "$option" "$path"
            end
        else
            printf '%s\n' "$line"
        end
    end
end
complete --command keyward --no-files --keep-order --arguments '(__keyward_complete)'
