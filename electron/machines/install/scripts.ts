/**
 * What runs on a machine to put the worker there and to take it away: fixed POSIX sh, facts by arguments, bytes by
 * stdin, the outcome as one line `word<TAB>detail` on stdout. Everything lies under ~/.lanyard, mode 0700.
 *
 *   agents/<hash>/              a complete worker: the bundle's files, manifest.json, and the marker .complete
 *   agents/.lock-<hash>/owner   held while one is being put there: process id and its start time
 *   agents/.partial-<hash>-<pid>, .unpack-<hash>-<pid>/    the work in progress; gone afterwards, whatever happened
 */

const common = `
LC_ALL=C; export LC_ALL; umask 077
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
root=$HOME/.lanyard agents=$HOME/.lanyard/agents
out() { printf '%s\\t%s\\n' "$1" "$2"; }
ours() { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; }
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '{ print $20 }'; }
refuse_foreign() {
  for folder in "$root" "$agents"; do
    if [ -e "$folder" ] || [ -L "$folder" ]; then ours "$folder" || { out foreign "$folder"; exit 0; }; fi
  done
}
users_of() { for link in /proc/[0-9]*/exe; do case $(readlink "$link" 2>/dev/null) in "$1"/*) pid=\${link#/proc/}; echo "\${pid%/exe}";; esac; done; }
`

/** $1 hash, then per file: path, bytes, SHA-256. Prints `complete`, `absent` or `broken`, then `free` with KiB. */
export const inspectScript = `${common}
refuse_foreign
hash=$1; shift
folder=$agents/$hash
state=complete
if ! ours "$folder" || [ "$(cat "$folder/.complete" 2>/dev/null)" != "$hash" ]; then state=absent
else
  list=
  while [ "$#" -ge 3 ]; do
    if [ -L "$folder/$1" ] || [ ! -f "$folder/$1" ] || [ "$(wc -c <"$folder/$1" | tr -d ' ')" != "$2" ]; then state=broken; break; fi
    list="$list$3  $1
"
    shift 3
  done
  if [ "$state" = complete ]; then (cd "$folder" && printf '%s' "$list" | sha256sum -c >/dev/null 2>&1) || state=broken; fi
fi
out "$state" "$folder"
out free "$(df -Pk "$HOME" | awk 'NR == 2 { print $4 }')"
`

/**
 * $1 hash, $2 bytes and $3 SHA-256 of the archive on stdin, $4 text of manifest.json, then per file: path, mode,
 * SHA-256. Prints one of `done`, `busy`, `no_space`, `short`, `corrupt`, `failed`.
 */
export const placeScript = `${common}
refuse_foreign
hash=$1 bytes=$2 digest=$3 manifest=$4; shift 4
lock=$agents/.lock-$hash partial=$agents/.partial-$hash-$$ unpack=$agents/.unpack-$hash-$$ folder=$agents/$hash
errors=
mkdir -p "$agents" 2>/dev/null && chmod 700 "$root" "$agents" || { out failed "cannot make $agents"; exit 0; }
locked=
cleanup() { rm -rf "$partial" "$unpack"; [ -z "$locked" ] || rm -rf "$lock"; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM PIPE
give_up() { # the reason by what the tools said
  case $errors in *"No space left"*|*"quota exceeded"*|*"Disk quota"*) out no_space "$(df -Pk "$HOME" | awk 'NR == 2 { print $4 }')";; *) out "$1" "$errors";; esac
  exit 0
}
if ! mkdir "$lock" 2>/dev/null; then
  read -r owner since <"$lock/owner" 2>/dev/null || owner=
  if [ -n "$owner" ] && [ "$(started "$owner")" = "$since" ]; then out busy "$owner"; exit 0; fi
  # its owner is gone; only one of several who see that can move it away
  mv "$lock" "$agents/.stale-$$" 2>/dev/null && rm -rf "$agents/.stale-$$"
  mkdir "$lock" 2>/dev/null || { out busy "?"; exit 0; }
  rm -rf "$agents"/.partial-"$hash"-* "$agents"/.unpack-"$hash"-*
fi
locked=1
errors=$({ echo "$$ $(started $$)" >"$lock/owner"; } 2>&1) || give_up failed
errors=$(cat 2>&1 >"$partial") || give_up failed
[ "$(wc -c <"$partial" | tr -d ' ')" = "$bytes" ] || { out short "$(wc -c <"$partial" | tr -d ' ')"; exit 0; }
[ "$(sha256sum <"$partial" | cut -d ' ' -f 1)" = "$digest" ] || { out corrupt archive; exit 0; }
errors=$(mkdir "$unpack" 2>&1 && tar -xzf "$partial" -C "$unpack" 2>&1) || give_up failed
rm -f "$partial"
while [ "$#" -ge 3 ]; do
  [ -f "$unpack/$1" ] && [ ! -L "$unpack/$1" ] && [ "$(sha256sum <"$unpack/$1" | cut -d ' ' -f 1)" = "$3" ] || { out corrupt "$1"; exit 0; }
  # for the owner only, as everything under ~/.lanyard
  case $2 in 7*) chmod 700 "$unpack/$1";; *) chmod 600 "$unpack/$1";; esac
  shift 3
done
errors=$({ printf '%s' "$manifest" >"$unpack/manifest.json" && printf '%s' "$hash" >"$unpack/.complete" && chmod 700 "$unpack"; } 2>&1) || give_up failed
sync "$unpack" 2>/dev/null
if [ -e "$folder" ]; then mv "$folder" "$agents/.old-$$" && rm -rf "$agents/.old-$$"; fi
errors=$(mv "$unpack" "$folder" 2>&1) || give_up failed
# two versions stay: this one and the latest other, and any that still runs
kept=0
for other in $(ls -1t "$agents"); do
  [ "$other" != "$hash" ] && ours "$agents/$other" || continue
  kept=$((kept + 1))
  if [ "$kept" -gt 1 ] && [ -z "$(users_of "$agents/$other")" ]; then rm -rf "\${agents:?}/$other"; fi
done
out done "$folder"
`

/**
 * $1 the folder. Ends every process that runs from it, deletes it and looks whether anything is left. Prints
 * `removed`, `absent` or `left`; `foreign` when it is not the folder we would have made.
 */
export const removeScript = `${common}
[ "$1" = "$root" ] || { out foreign "$1"; exit 0; }
if [ ! -e "$root" ] && [ ! -L "$root" ]; then out absent "$root"; exit 0; fi
ours "$root" || { out foreign "$root"; exit 0; }
end_all() { # $1 signal; waits up to 5 s
  pids=$(users_of "$root"); [ -n "$pids" ] || return 0
  kill -s "$1" $pids 2>/dev/null
  tries=0
  while [ -n "$(users_of "$root")" ] && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
}
end_all TERM
end_all KILL
rm -rf "$root" 2>/dev/null
left=$(users_of "$root" | tr '\\n' ' ')
if [ -n "$left" ]; then out left "processes $left"
elif [ -e "$root" ]; then out left "$(find "$root" | wc -l | tr -d ' ') entries of $root"
else out removed "$root"; fi
`
