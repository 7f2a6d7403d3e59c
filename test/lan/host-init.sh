#!/bin/bash
# First process of a host: builds a root of its own, in which only the system's programs are those of this computer.
# usage: host-init.sh FOLDER NAME USER QUOTA     FOLDER holds etc/, home/ and bin/ made by host.ts; QUOTA "" or a size
set -eu
folder=$1 name=$2 user=$3 quota=$4
root=$folder/root
mkdir -p "$root"
mount -t tmpfs -o mode=755,size=64m host "$root"
cd "$root"
mkdir -p usr etc dev proc sys tmp run/sshd root home var/tmp var/empty var/log old

# a server has no Node: /usr/bin is rebuilt from links to the real programs, without those that must not run there
for path in /usr/*; do
  entry=usr/${path##*/}
  if [ -L "$path" ]; then ln -s "$(readlink "$path")" "$entry"
  elif [ -d "$path" ] && [ "$entry" != usr/bin ]; then mkdir "$entry"; mount --rbind -o ro "$path" "$entry"; fi
done
mkdir usr/bin usr/.bin
mount --bind -o ro /usr/bin usr/.bin
: >"$folder/nothing"; chmod 0 "$folder/nothing"
links=()
for program in /usr/bin/*; do
  case ${program##*/} in
    node|nodejs|npm|npx|corepack|electron) mount --bind "$folder/nothing" "usr/.bin/${program##*/}" ;;
    *) links+=("/usr/.bin/${program##*/}") ;;
  esac
done
ln -s "${links[@]}" usr/bin/
for link in bin sbin lib lib32 lib64; do
  if [ -L "/$link" ]; then ln -s "$(readlink "/$link")" "$link"
  elif [ -d "/$link" ]; then mkdir -p "$link"; mount --bind -o ro "/$link" "$link"; fi
done
mount --bind "$folder/local" usr/local
mount --bind "$folder/etc" etc

mkdir -p "home/$user"
if [ -n "$quota" ]; then mount -t tmpfs -o "size=$quota,mode=700" home "home/$user"; cp -a "$folder/home/." "home/$user/"
else mount --bind "$folder/home" "home/$user"; fi
chown -R 1000:1000 "home/$user"; chmod 700 "home/$user"
mount -t tmpfs -o size=256m,mode=1777 tmp tmp

mount -t tmpfs -o size=1m,mode=755 dev dev
for device in null zero full random urandom tty; do : >"dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t proc proc proc
mount -t sysfs -o ro sys sys
echo "$name" >proc/sys/kernel/hostname

pivot_root . old
cd /
umount -l /old
rmdir /old
ip link set lo up
echo ready
# stays as the reaper of whatever is left without a parent
while :; do sleep 1000000 & wait "$!" || true; done
