# Completion of goward's command line for bash. Generated from the tables in src/commands/*/options.rs by make reference.

# The names of files, or of directories (-d).
_goward_names() {
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

_goward() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=run at=1 options with_value
    COMPREPLY=()
    # bash takes --option=value for three words.
    if [ "$cur" = = ]; then
        cur=
    elif [ "$prev" = = ]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -gt 1 ]; then
        case ${COMP_WORDS[1]} in
        run | probe | status | stop | restart | reload | signal | dump | check | rehearse | goroutines | help | version) command=${COMP_WORDS[1]} at=2 ;;
        esac
    fi
    case $command in
        run) options='--help --stop-timeout --drain --stop-on --stop-signal --dump --dump-file --dump-lead -e --success-exit --rewrite -g --group --reset-signals -p --parent-death -s --subreaper -w --warn-reaping --user --groups --require-non-root --own --own-stdio --keep-cap --allow-new-privs --rlimit --oom-score-adj --go-env --health --health-interval --health-timeout --health-start-period --health-start-interval --health-retries --health-method --health-header --health-status --health-body --ready --ready-interval --ready-timeout --ready-start-interval --ready-retries --ready-successes --ready-method --ready-header --ready-status --ready-body --health-tls-ca --health-tls-cert --health-tls-key --health-tls-server-name --on-unhealthy --notify --start-timeout --watchdog --restart --reload-signal --on-change --before --before-timeout --after --termination-log --log-format -v --verbose -q --quiet --no-environment' with_value=' --stop-timeout --drain --stop-on --stop-signal --dump --dump-file --dump-lead -e --success-exit --rewrite -p --parent-death --user --groups --own --keep-cap --rlimit --oom-score-adj --health --health-interval --health-timeout --health-start-period --health-start-interval --health-retries --health-method --health-header --health-status --health-body --ready --ready-interval --ready-timeout --ready-start-interval --ready-retries --ready-successes --ready-method --ready-header --ready-status --ready-body --health-tls-ca --health-tls-cert --health-tls-key --health-tls-server-name --on-unhealthy --start-timeout --watchdog --restart --reload-signal --on-change --before --before-timeout --after --termination-log --log-format ' ;;
        probe) options='--help -t --timeout --connect-timeout --wait --success-threshold -X --method -H --header -A --user-agent --status --body --tls-ca --tls-cert --tls-key --tls-server-name -q --quiet' with_value=' -t --timeout --connect-timeout --wait --success-threshold -X --method -H --header -A --user-agent --status --body --tls-ca --tls-cert --tls-key --tls-server-name ' ;;
        status) options='--help --json --metrics -r --ready --wait -t --timeout --pid -q --quiet' with_value=' --wait -t --timeout --pid ' ;;
        stop) options='--help -w --wait -t --timeout --pid -q --quiet' with_value=' -t --timeout --pid ' ;;
        restart) options='--help -w --wait -t --timeout --pid -q --quiet' with_value=' -t --timeout --pid ' ;;
        reload) options='--help -w --wait -t --timeout --pid -q --quiet' with_value=' -t --timeout --pid ' ;;
        signal) options='--help --pid -q --quiet' with_value=' --pid ' ;;
        dump) options='--help -a --all --json --raw -m --match --prove --growth -w --watch --color -p --pid --init --core --program' with_value=' -m --match --growth --color -p --pid --init --core --program ' ;;
        check) options='--help -f --dockerfile --target --context --build-arg --image --rootfs --user --writable --fail-on --format --ignore --config --fix --write --color --list --explain' with_value=' -f --dockerfile --target --context --build-arg --image --rootfs --user --writable --fail-on --format --ignore --config --color --explain ' ;;
        rehearse) options='--help --ready --ready-timeout --load --load-command --method --header --data --in-flight --signal-after --repeat --leaks --settle --no-stop --expect --json --report --junit --stop-timeout --drain --stop-on --stop-signal --dump-lead -e --success-exit --rewrite -g --group --reset-signals -p --parent-death -s --subreaper -w --warn-reaping --user --groups --require-non-root --own --own-stdio --keep-cap --allow-new-privs --rlimit --oom-score-adj --go-env --ready --ready-interval --ready-timeout --ready-start-interval --ready-retries --ready-successes --ready-method --ready-header --ready-status --ready-body --reload-signal --termination-log --log-format -v --verbose -q --quiet --no-environment' with_value=' --ready --ready-timeout --load --load-command --method --header --data --in-flight --signal-after --repeat --settle --expect --report --junit --stop-timeout --drain --stop-on --stop-signal --dump-lead -e --success-exit --rewrite -p --parent-death --user --groups --own --keep-cap --rlimit --oom-score-adj --ready --ready-interval --ready-timeout --ready-start-interval --ready-retries --ready-successes --ready-method --ready-header --ready-status --ready-body --reload-signal --termination-log --log-format ' ;;
        goroutines) options='--help -a --all --json -m --match --min-minutes --state --signal --color' with_value=' -m --match --min-minutes --state --signal --color ' ;;
        esac
    # Behind the program everything is the program's.
    case $command in
    run | rehearse)
        while [ "$at" -lt "$COMP_CWORD" ]; do
            case ${COMP_WORDS[at]} in
            =) at=$((at + 1)) ;;
            -?*)
                [ "${COMP_WORDS[at]}" != -- ] || at=$((at + 1))
                case $with_value in
                *" ${COMP_WORDS[at]} "*) [ "${COMP_WORDS[at + 1]}" = = ] || at=$((at + 1)) ;;
                esac
                if [ "${COMP_WORDS[at - 1]}" = -- ] && [ "$at" -lt "$COMP_CWORD" ]; then
                    _goward_names -f
                    return
                fi
                ;;
            *)
                _goward_names -f
                return
                ;;
            esac
            at=$((at + 1))
        done
        ;;
    esac
    case "$command ${prev/#=/}" in
        'run --stop-timeout') :; return ;;
        'run --drain') :; return ;;
        'run --stop-on') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'run --stop-signal') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'run --dump') COMPREPLY=($(compgen -W 'live raw summary off' -- "$cur")); return ;;
        'run --dump-file') _goward_names -f; return ;;
        'run --dump-lead') :; return ;;
        'run -e' | 'run --success-exit') :; return ;;
        'run --rewrite') :; return ;;
        'run -p' | 'run --parent-death') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'run --user') :; return ;;
        'run --groups') :; return ;;
        'run --own') _goward_names -d; return ;;
        'run --keep-cap') :; return ;;
        'run --rlimit') :; return ;;
        'run --oom-score-adj') :; return ;;
        'run --health') :; return ;;
        'run --health-interval') :; return ;;
        'run --health-timeout') :; return ;;
        'run --health-start-period') :; return ;;
        'run --health-start-interval') :; return ;;
        'run --health-retries') :; return ;;
        'run --health-method') :; return ;;
        'run --health-header') :; return ;;
        'run --health-status') :; return ;;
        'run --health-body') :; return ;;
        'run --ready') :; return ;;
        'run --ready-interval') :; return ;;
        'run --ready-timeout') :; return ;;
        'run --ready-start-interval') :; return ;;
        'run --ready-retries') :; return ;;
        'run --ready-successes') :; return ;;
        'run --ready-method') :; return ;;
        'run --ready-header') :; return ;;
        'run --ready-status') :; return ;;
        'run --ready-body') :; return ;;
        'run --health-tls-ca') _goward_names -f; return ;;
        'run --health-tls-cert') _goward_names -f; return ;;
        'run --health-tls-key') _goward_names -f; return ;;
        'run --health-tls-server-name') :; return ;;
        'run --on-unhealthy') COMPREPLY=($(compgen -W 'log stop restart' -- "$cur")); return ;;
        'run --start-timeout') :; return ;;
        'run --watchdog') :; return ;;
        'run --restart') COMPREPLY=($(compgen -W 'no on-failure always' -- "$cur")); return ;;
        'run --reload-signal') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'run --on-change') COMPREPLY=($(compgen -c -- "$cur")); return ;;
        'run --before') COMPREPLY=($(compgen -c -- "$cur")); return ;;
        'run --before-timeout') :; return ;;
        'run --after') COMPREPLY=($(compgen -c -- "$cur")); return ;;
        'run --termination-log') COMPREPLY=($(compgen -W 'PATH off' -- "$cur")); return ;;
        'run --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        'probe -t' | 'probe --timeout') :; return ;;
        'probe --connect-timeout') :; return ;;
        'probe --wait') :; return ;;
        'probe --success-threshold') :; return ;;
        'probe -X' | 'probe --method') :; return ;;
        'probe -H' | 'probe --header') :; return ;;
        'probe -A' | 'probe --user-agent') :; return ;;
        'probe --status') :; return ;;
        'probe --body') :; return ;;
        'probe --tls-ca') _goward_names -f; return ;;
        'probe --tls-cert') _goward_names -f; return ;;
        'probe --tls-key') _goward_names -f; return ;;
        'probe --tls-server-name') :; return ;;
        'status --wait') COMPREPLY=($(compgen -W 'ready healthy' -- "$cur")); return ;;
        'status -t' | 'status --timeout') :; return ;;
        'status --pid') :; return ;;
        'stop -t' | 'stop --timeout') :; return ;;
        'stop --pid') :; return ;;
        'restart -t' | 'restart --timeout') :; return ;;
        'restart --pid') :; return ;;
        'reload -t' | 'reload --timeout') :; return ;;
        'reload --pid') :; return ;;
        'signal --pid') :; return ;;
        'dump -m' | 'dump --match') :; return ;;
        'dump --growth') :; return ;;
        'dump --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
        'dump -p' | 'dump --pid') :; return ;;
        'dump --init') :; return ;;
        'dump --core') _goward_names -f; return ;;
        'dump --program') _goward_names -f; return ;;
        'check -f' | 'check --dockerfile') _goward_names -f; return ;;
        'check --target') :; return ;;
        'check --context') _goward_names -d; return ;;
        'check --build-arg') :; return ;;
        'check --image') _goward_names -f; return ;;
        'check --rootfs') _goward_names -d; return ;;
        'check --user') :; return ;;
        'check --writable') _goward_names -d; return ;;
        'check --fail-on') COMPREPLY=($(compgen -W 'error warning note never' -- "$cur")); return ;;
        'check --format') COMPREPLY=($(compgen -W 'text json sarif github gitlab checkstyle' -- "$cur")); return ;;
        'check --ignore') :; return ;;
        'check --config') _goward_names -f; return ;;
        'check --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
        'check --explain') :; return ;;
        'rehearse --ready') :; return ;;
        'rehearse --ready-timeout') :; return ;;
        'rehearse --load') :; return ;;
        'rehearse --load-command') COMPREPLY=($(compgen -c -- "$cur")); return ;;
        'rehearse --method') :; return ;;
        'rehearse --header') :; return ;;
        'rehearse --data') :; return ;;
        'rehearse --in-flight') :; return ;;
        'rehearse --signal-after') :; return ;;
        'rehearse --repeat') :; return ;;
        'rehearse --settle') :; return ;;
        'rehearse --expect') :; return ;;
        'rehearse --report') _goward_names -f; return ;;
        'rehearse --junit') _goward_names -f; return ;;
        'rehearse --stop-timeout') :; return ;;
        'rehearse --drain') :; return ;;
        'rehearse --stop-on') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'rehearse --stop-signal') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'rehearse --dump-lead') :; return ;;
        'rehearse -e' | 'rehearse --success-exit') :; return ;;
        'rehearse --rewrite') :; return ;;
        'rehearse -p' | 'rehearse --parent-death') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'rehearse --user') :; return ;;
        'rehearse --groups') :; return ;;
        'rehearse --own') _goward_names -d; return ;;
        'rehearse --keep-cap') :; return ;;
        'rehearse --rlimit') :; return ;;
        'rehearse --oom-score-adj') :; return ;;
        'rehearse --ready') :; return ;;
        'rehearse --ready-interval') :; return ;;
        'rehearse --ready-timeout') :; return ;;
        'rehearse --ready-start-interval') :; return ;;
        'rehearse --ready-retries') :; return ;;
        'rehearse --ready-successes') :; return ;;
        'rehearse --ready-method') :; return ;;
        'rehearse --ready-header') :; return ;;
        'rehearse --ready-status') :; return ;;
        'rehearse --ready-body') :; return ;;
        'rehearse --reload-signal') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'rehearse --termination-log') COMPREPLY=($(compgen -W 'PATH off' -- "$cur")); return ;;
        'rehearse --log-format') COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        'goroutines -m' | 'goroutines --match') :; return ;;
        'goroutines --min-minutes') :; return ;;
        'goroutines --state') :; return ;;
        'goroutines --signal') COMPREPLY=($(compgen -W 'TERM INT QUIT HUP USR1 USR2 KILL' -- "$cur")); return ;;
        'goroutines --color') COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
    esac
    case $cur in
    -*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
    *)
        case $command in
        help) COMPREPLY=($(compgen -W 'run probe status stop restart reload signal dump check rehearse goroutines help version' -- "$cur")) ;;
        probe)
            compopt -o nospace 2>/dev/null
            COMPREPLY=($(compgen -W 'http:// tcp:// unix:/ grpc:// exec:' -- "$cur"))
            ;;
        check | goroutines) _goward_names -f ;;
        run | rehearse)
            [ "$COMP_CWORD" -gt 1 ] || COMPREPLY=($(compgen -W 'run probe status stop restart reload signal dump check rehearse goroutines help version' -- "$cur"))
            [ "${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -c -- "$cur"))
            [ "${#COMPREPLY[@]}" -gt 0 ] || _goward_names -f
            ;;
        esac
        ;;
    esac
}

complete -F _goward goward
