# For scripts that look at a page: sets `browser` and, with what drives it, `tools`; installs both where it may.
# shellcheck shell=bash disable=SC2034
find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
browser=${CHROMIUM:-$(find_browser)}
if [ -z "$browser" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null
    browser=$(find_browser)
fi
[ -n "$browser" ] || {
    echo "there is no Chromium; Debian has it: apt install chromium"
    exit 1
}
tools=$PWD/target/tools/dashboard
[ -d "$tools/node_modules/playwright-core" ] || {
    mkdir -p "$tools"
    npm install --silent --no-fund --no-audit --prefix "$tools" playwright-core@1
}
