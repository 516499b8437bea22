# What the shells offer is what --help lists: every command, and every long option of each.
for shell in bash zsh fish; do
    authtape --completions $shell >$shell || echo "no $shell"
    for command in $(authtape --help | awk '/^  [a-z]/ { print $1 }'); do
        grep -qw -- "$command" $shell || echo "$shell: $command"
        for option in $(authtape $command --help | grep -o '^  *\(-., \)\?--[a-z][a-z-]*' | grep -o '[a-z][a-z-]*$'); do
            grep -qw -e "--$option" -e "-l $option" $shell || echo "$shell: $command --$option"
        done
    done
done
bash -n bash
authtape --completions csh
