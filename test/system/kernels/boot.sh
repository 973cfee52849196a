#!/usr/bin/env bash
# boot.sh KERNEL TOLD COMMAND...: boots a Debian kernel under qemu (no KVM) and runs COMMAND there in the current directory.
# This machine's root is read-only below an overlay in memory. Output to /dev/ttyS1 goes into the file TOLD, free of kernel
# messages. The exit code is that of COMMAND. KERNEL is a directory that fetch.sh has unpacked.
set -euo pipefail

kernel=$(realpath "$1")
told=$2
shift 2
release=$(basename "$kernel"/lib/modules/*)
# Since 7.0 the image lies beside the modules.
image=$kernel/lib/modules/$release/vmlinuz
[[ -e $image ]] || image=$kernel/boot/vmlinuz-$release
scratch=$(mktemp -d)
fs_pid=
trap '[[ -z $fs_pid ]] || kill "$fs_pid" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# The initramfs: busybox, the modules that mount the root, and an init that switches to it.
mkdir -p "$scratch"/init/{bin,proc,sys,dev,lower,rw,root,modules}
cp "$(command -v busybox)" "$scratch/init/bin/busybox"
order=()
[[ -e $kernel/lib/modules/$release/modules.dep.bin ]] || depmod -b "$kernel" "$release"
for module in virtio_pci virtiofs overlay; do
	# `builtin NAME` or `insmod PATH [options]`, dependencies first.
	lines=$(modprobe -d "$kernel" -S "$release" --show-depends "$module")
	while read -r how path _; do
		[[ $how == insmod ]] || continue
		name=$(basename "${path%.xz}")
		[[ " ${order[*]-} " == *" $name "* ]] && continue
		case $path in
		*.xz) xz -dc "$path" >"$scratch/init/modules/$name" ;;
		*) cp "$path" "$scratch/init/modules/$name" ;;
		esac
		order+=("$name")
	done <<<"$lines"
done
printf '%q ' "$@" >"$scratch/command"
cat >"$scratch/init/init" <<INIT
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in ${order[*]-}; do /bin/busybox insmod /modules/\$module; done
/bin/busybox mount -t virtiofs -o ro host /lower
/bin/busybox mount -t tmpfs tmpfs /rw
/bin/busybox mkdir /rw/upper /rw/work
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root
/bin/busybox cp /run.sh /root/run.sh
exec /bin/busybox switch_root /root /bin/bash /run.sh
INIT
cat >"$scratch/init/run.sh" <<RUN
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mkdir -p /lib/modules
[[ -e /lib/modules/$release ]] || ln -s $kernel/lib/modules/$release /lib/modules/$release
ip link set lo up
stty -F /dev/ttyS1 raw
export PATH=$PATH HOME=/root MESHACCEL_PROGRAMS=${MESHACCEL_PROGRAMS:-} MESHACCEL_PATIENCE=${MESHACCEL_PATIENCE:-1}
cd $PWD
$(cat "$scratch/command")
echo "exit-code \$?"
echo o >/proc/sysrq-trigger
sleep 60
RUN
chmod +x "$scratch/init/init"
(cd "$scratch/init" && find . | cpio -o -H newc --quiet | gzip -1 >"$scratch/initramfs")

/usr/lib/qemu/virtiofsd --socket-path="$scratch/fs" --rlimit-nofile=0 -o source=/ -o cache=always -o sandbox=chroot \
	>"$scratch/fs.log" 2>&1 &
fs_pid=$!
until [[ -S $scratch/fs ]]; do
	kill -0 "$fs_pid" 2>/dev/null || { cat "$scratch/fs.log" >&2; exit 1; }
	sleep 0.1
done

# The early code of 6.12 hits a bug of the emulated cmpxchg16b. Since 7.0 socket-local storage needs that instruction.
cpu=max
[[ $release == 6.12.* ]] && cpu+=,-cx16
# Timers that expire between ticks cost the emulator most. A busy host makes the kernel's timer check fail.
append='mitigations=off no_timer_check no5lvl highres=off'
# MESHACCEL_ICOUNT=1: the guest's clock counts instructions, one in a nanosecond. Then one thread emulates the processor.
accel=(-accel tcg,thread=multi -smp 2)
[[ ${MESHACCEL_ICOUNT:-} != 1 ]] || accel=(-accel tcg,thread=single -smp 1 -icount shift=0,sleep=off)
# Half an hour is enough for a guest that does not hang.
timeout 1800 qemu-system-x86_64 "${accel[@]}" -cpu $cpu -m 3G -nographic -no-reboot -nodefaults -serial stdio \
	-serial file:"$told" \
	-object memory-backend-memfd,id=memory,size=3G,share=on -numa node,memdev=memory \
	-chardev socket,id=fs,path="$scratch/fs" -device vhost-user-fs-pci,chardev=fs,tag=host \
	-kernel "$image" -initrd "$scratch/initramfs" \
	-append "console=ttyS0 quiet panic=-1 $append" </dev/null | stdbuf -oL tr -d '\r' | tee "$scratch/output"
exit "$(sed -n 's/^exit-code \([0-9]*\)$/\1/p' "$scratch/output" | grep . || echo 1)"
