#!/bin/sh
# Looks at a container that systemd, as the machine's host, has started as a unit; says what it found as Rust's tests do, on the second serial line.
# usage: units.sh running|ended
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec > /dev/ttyS1 2>&1
passed=0 failed=0

# test NAME COMMAND...: one test, passed if the command succeeds; what it says is told if not.
tested() {
    name=$1
    shift
    if "$@" > /run/said 2>&1; then
        passed=$((passed + 1))
        echo "test $name ... ok"
    else
        failed=$((failed + 1))
        echo "test $name ... FAILED"
        cat /run/said
        systemctl --no-pager status lazaret@box 2>&1 | tail -n 20
    fi
}

told() { echo "it was told: $(tr '\n' ' ' < /srv/closed/box/told)"; [ "$(tr '\n' ' ' < /srv/closed/box/told)" = "$1" ]; }
state() { lazaret list --all | tee /dev/stderr | grep -q "box *$1"; }
runs() { systemctl is-active lazaret@box && state running && [ "$(lazaret enter box -- cat /proc/1/comm)" = sh ]; }
stops() { systemctl stop lazaret@box && ! state running && told 'begun ended ' && [ "$(systemctl show -P Result lazaret@box)" = success ]; }
starts() { systemctl start lazaret@box && runs && told 'begun ended begun '; }
# asks WORD: what the service behind the socket answers.
asks() { perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new("127.0.0.1:4080") or die "connect: $!"; syswrite($s, "$ARGV[0]\n"); print <$s>' "$1"; }
answers() { said=$(asks "$1"); echo "it answered: $said"; [ "$said" = 'LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=1 pid=1' ]; }
serves() { systemctl is-active lazaret-socket@web && lazaret list | tee /dev/stderr | grep -q 'web *running'; }
# over: waits until nothing of it runs, however long that takes; systemd says when the unit's end is through.
over() { while ! [ "$(systemctl is-active lazaret-socket@web)" = inactive ]; do sleep 1; done; ! lazaret list | grep -q 'web *running'; }
listens() { systemctl is-active web.socket && ! lazaret list | grep -q 'web *running'; }
activated() { answers stay && serves && answers stay && serves; }
anew() { answers end && over && listens && answers stay && serves; }
socket_stops() { systemctl stop lazaret-socket@web && over && listens && [ "$(systemctl show -P Result lazaret-socket@web)" = success ]; }
around() { sed -n '/^\[Service\]/,/^\[Install\]/p' "/usr/local/lib/systemd/system/$1" | grep -Ev '^(\[|#|$|Exec|Type=|RemainAfterExit=|TimeoutStopSec=|Environment=)' | sort; }
same() { [ "$(around lazaret@.service)" = "$(around lazaret-socket@.service)" ] && [ "$(around lazaret@.service | wc -l)" -gt 10 ]; }
# alice COMMAND...: as the ordinary user.
alice() { setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all env --chdir=/home/alice HOME=/home/alice "$@"; }
joins() { alice lazaret run --network bridge:br0 --ip 192.0.2.7/24 --rootfs /srv/open --read-only "$@"; }
ports() { ip -o link show master br0 | wc -l; }
lent() { joins -- cat /proc/net/dev | tee /dev/stderr | grep -q eth0 && lazaret audit log | tee /dev/stderr | grep -q lend; }
brokered() { systemctl is-active lazaret-broker.socket && ! systemctl is-active 'lazaret-broker@*' && lent; }
one_is_given() {
    joins -d --name first -- sleep 1000 && [ "$(ports)" = 1 ] || return 1
    said=$(joins -- cat /proc/net/dev 2>&1)
    echo "$said"
    alice lazaret destroy first && echo "$said" | grep -q 'none is left' || return 1
    looks=0
    until [ "$(ports)" = 0 ]; do looks=$((looks + 1)); [ "$looks" -lt 60 ] || return 1; sleep 1; done
}
only() { [ "$(lazaret list | grep -c running)" = 1 ]; }
nothing() { systemctl start lazaret@missing && ! systemctl is-failed lazaret@missing; }
good() { systemctl --failed --no-legend --plain | tee /dev/stderr | grep -q lazaret && return 1; return 0; }

case $1 in
    running)
        # Everything else that is to be started with the host has been.
        systemctl is-system-running --wait
        echo "== systemd $(systemctl --version | head -n 1 | cut -d ' ' -f 2) is the host"
        tested units::a_unit_that_is_enabled_starts_its_container_with_the_host runs
        tested units::one_that_is_not_enabled_does_not only
        tested units::stopping_the_unit_ends_the_container_in_its_own_way stops
        tested units::starting_the_unit_starts_it_again starts
        tested units::a_socket_of_the_hosts_starts_nothing_until_somebody_connects listens
        tested units::who_connects_is_answered_by_the_container_that_the_socket_starts activated
        tested units::one_that_ends_by_itself_is_started_again_by_the_next_who_connects anew
        tested units::stopping_its_unit_ends_it_and_the_socket_listens_on socket_stops
        tested units::its_unit_puts_around_it_what_that_of_any_container_does same
        tested units::a_unit_of_a_container_that_is_not_defined_is_no_failure nothing
        tested units::a_users_container_has_a_link_by_the_brokers_socket brokered
        tested units::it_has_as_many_as_the_file_gives one_is_given
        tested units::no_unit_has_failed good
        ;;
    ended)
        tested units::the_host_that_goes_down_ends_the_container_first told 'begun ended begun ended '
        ;;
esac
[ $failed -eq 0 ] && result=ok || result=FAILED
echo "test result: $result. $passed passed; $failed failed; 0 ignored"
[ "$1" = running ] || { echo "== skipped"; echo "== kernel"; dmesg | grep -E 'BUG:|Oops|WARNING:|general protection|hung_task'; echo "== done"; }
[ "$1" = ended ] || systemctl poweroff --no-block
