#!/usr/bin/env bash
# boot.sh KERNEL TOLD COMMAND...: boots a kernel under qemu (no KVM) and runs COMMAND there in the current directory. This
# machine's root is read-only below an overlay in memory. A kernel for arm64 has the root of arm64-root.sh instead, with the
# checkout in its place and its own builds (arm64-programs.sh) over those of this machine. Output to /dev/told goes into the
# file TOLD, free of kernel messages. The exit code is that of COMMAND. KERNEL is a directory that fetch.sh has unpacked.
set -euo pipefail
shopt -s extglob

kernel=$(realpath "$1")
told=$2
shift 2
release=$(basename "$kernel"/lib/modules/*)
# Since 7.0 the image lies beside the modules.
image=$kernel/lib/modules/$release/vmlinuz
[[ -e $image ]] || image=$kernel/boot/vmlinuz-$release
machine=x86_64
[[ $release == *-arm64 ]] && machine=aarch64
lower=/lower
busybox=$(command -v busybox)
if [[ $machine == aarch64 ]]; then
	arm64=$PWD/build/kernels/root-arm64
	lower=/lower$arm64
	busybox=$arm64/bin/busybox
fi
scratch=$(mktemp -d)
fs_pid=
trap '[[ -z $fs_pid ]] || kill "$fs_pid" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# The initramfs: busybox, the modules that mount the root, and an init that switches to it.
mkdir -p "$scratch"/init/{bin,proc,sys,dev,lower,rw,root,modules}
cp "$busybox" "$scratch/init/bin/busybox"
order=()
[[ -e $kernel/lib/modules/$release/modules.dep.bin ]] || depmod -b "$kernel" "$release"
for module in virtio_pci virtiofs overlay; do
	# `builtin NAME` or `insmod PATH [options]`, dependencies first.
	lines=$(modprobe -d "$kernel" -S "$release" --show-depends "$module")
	while read -r how path _; do
		[[ $how == insmod ]] || continue
		name=$(basename "${path%.@(xz|zst)}")
		[[ " ${order[*]-} " == *" $name "* ]] && continue
		case $path in
		*.xz) xz -dc "$path" >"$scratch/init/modules/$name" ;;
		*.zst) zstd -qdc "$path" >"$scratch/init/modules/$name" ;;
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
/bin/busybox mount -t overlay -o lowerdir=$lower,upperdir=/rw/upper,workdir=/rw/work overlay /root
if [ $lower != /lower ]; then
	/bin/busybox mkdir -p /root$PWD
	/bin/busybox mount -o bind /lower$PWD /root$PWD
	for part in bpf cni netns; do
		/bin/busybox mount -o bind /lower$PWD/build/kernels/arm64/\$part /root$PWD/build/\$part
	done
fi
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
for told in /dev/ttyS1 /dev/hvc0; do [[ ! -e \$told ]] || ln -sf \$told /dev/told; done
stty -F /dev/told raw
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
emulator=(qemu-system-x86_64 "${accel[@]}" -cpu $cpu -serial stdio -serial file:"$told")
console=ttyS0
memory=(-object memory-backend-memfd,id=memory,size=3G,share=on -numa node,memdev=memory)
if [[ $machine == aarch64 ]]; then
	# The machine has one serial port. Without pointer authentication, which costs the emulator most, it is twice as fast.
	emulator=(qemu-system-aarch64 -M virt,gic-version=3 "${accel[@]}" -cpu max,pauth=off -serial stdio
		-device virtio-serial-pci -chardev file,id=told,path="$told" -device virtconsole,chardev=told)
	console=ttyAMA0
fi
# Half an hour is enough for a guest that does not hang.
timeout "${MESHACCEL_GUEST_SECONDS:-1800}" "${emulator[@]}" -m 3G -nographic -no-reboot -nodefaults \
	"${memory[@]}" \
	-chardev socket,id=fs,path="$scratch/fs" -device vhost-user-fs-pci,chardev=fs,tag=host \
	-kernel "$image" -initrd "$scratch/initramfs" \
	-append "console=$console quiet panic=-1 $append" </dev/null | stdbuf -oL tr -d '\r' | tee "$scratch/output"
exit "$(sed -n 's/^exit-code \([0-9]*\)$/\1/p' "$scratch/output" | grep . || echo 1)"
