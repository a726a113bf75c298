# Installs Debian packages that are missing, where that needs no question: as root or with a sudo that asks nothing.
#
#     sh tests/support/servers.sh nginx haproxy
#
# It never fails: what could not be installed is named, and the tests that need it are skipped with that reason.
PATH=$PATH:/usr/sbin:/sbin
missing=
for package in "$@"; do
    command -v "$package" >/dev/null || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
as=
[ "$(id -u)" = 0 ] || as="sudo -n"
if command -v apt-get >/dev/null && $as true 2>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # RUNLEVEL: what is installed is not started.
    install="$as env RUNLEVEL=1 timeout 120 apt-get install -qq -y --no-install-recommends $missing"
    $install >/dev/null 2>&1 || { $as timeout 60 apt-get update -qq >/dev/null 2>&1 && $install >/dev/null 2>&1; }
fi
for package in $missing; do
    command -v "$package" >/dev/null || echo "$package is not installed, and cannot be from here: its tests are skipped"
done
exit 0
