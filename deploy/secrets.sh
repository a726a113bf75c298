#!/bin/sh
# Makes the secrets that compose.yaml mounts, where they are missing; what is there is never changed.
#
#     sh deploy/secrets.sh
#
# Keys of providers are yours to put there: one file each, named as in the catalog, such as
# deploy/secrets/providers/OPENAI_API_KEY. Run this again afterwards: it lets containers read them.
set -eu
umask 077
home=$(dirname -- "$0")/secrets
mkdir -p -- "$home/providers"
# Containers read as users of their own, so the files are open, and the folder is closed to everybody else here.
chmod 0700 -- "$home"

keep() { # NAME: writes what comes in to a file, unless there is one
    if [ -e "$home/$1" ]; then
        cat >/dev/null
        return
    fi
    rm -f -- "$home/.$1.new" # left by a run that was cut short, and closed to writing by then
    cat >"$home/.$1.new"
    [ -s "$home/.$1.new" ] || { rm -f -- "$home/.$1.new"; echo "cannot make $1" >&2; exit 1; }
    chmod 0444 -- "$home/.$1.new"
    mv -- "$home/.$1.new" "$home/$1"
    echo "made $home/$1"
}

random() {
    od -An -N 24 -t x1 /dev/urandom | tr -d ' \n'
}

held() { # NAME: what is in a file
    tr -d '\n' <"$home/$1"
}

for name in postgres_password valkey_password scrape_token grafana_password; do
    random | keep "$name"
done
printf 'postgresql://gateway:%s@postgres:5432/gateway' "$(held postgres_password)" | keep database_url
printf 'valkey://:%s@valkey:6379/0' "$(held valkey_password)" | keep valkey_url
printf 'requirepass %s\n' "$(held valkey_password)" | keep valkey_auth.conf
chmod 0755 -- "$home/providers"
find "$home/providers" -type f -exec chmod a+r {} +
