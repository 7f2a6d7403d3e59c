/** The questions a machine is asked before anything is put on it: one fixed script, nothing but reading. */

/**
 * Prints `key<TAB>value` lines; POSIX sh and whatever of the usual tools is there. What is missing prints nothing.
 * nvidia-smi gets 10 s: with a wedged driver it never returns.
 */
export const probeScript = `
say() { printf '%s\\t%s\\n' "$1" "$2"; }
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
say os "$(uname -s)"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say hostname "$(cat /proc/sys/kernel/hostname 2>/dev/null || uname -n)"
say home "$HOME"
say distribution "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"')"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 1)"
say cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
say cpu "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)"
say flags "$(sed -n -e 's/^flags[[:space:]]*: //p' -e 's/^Features[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)"
awk '/^MemTotal:/ { print "memory-total\\t" $2 } /^MemAvailable:/ { print "memory-free\\t" $2 }' /proc/meminfo 2>/dev/null
df -Pk "$HOME" 2>/dev/null | awk 'NR == 2 { print "disk-total\\t" $2; print "disk-free\\t" $4 }'
if command -v ip >/dev/null 2>&1; then
  ip -o addr show 2>/dev/null | awk '{ print "address\\t" $2 " " $4 }'
else
  for address in $(hostname -I 2>/dev/null); do say address "? $address"; done
fi
for folder in /sys/class/net/*; do
  [ -d "$folder" ] && say interface "\${folder##*/} $(cat "$folder/speed" 2>/dev/null)"
done
for tool in tar gzip sha256sum awk df mkdir nvidia-smi; do
  command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
done
if command -v nvidia-smi >/dev/null 2>&1; then
  limit=; command -v timeout >/dev/null 2>&1 && limit='timeout 10'
  $limit nvidia-smi --query-gpu=index,name,uuid,driver_version,memory.total,memory.free --format=csv,noheader,nounits 2>/dev/null |
    while IFS= read -r line; do say gpu "$line"; done
fi
say end 1
`
