#!/bin/sh
# Compiles the BPF programs of the examples beside their sources. Needs clang, bpftool and libbpf's headers
# (Debian, Ubuntu: apt-get install clang bpftool libbpf-dev).
set -eu
cd "$(dirname "$0")"
case $(uname -m) in
x86_64) arch=x86 ;;
aarch64) arch=arm64 ;;
riscv64) arch=riscv ;;
*) echo "build.sh: name this machine as libbpf does, in bpf_tracing.h" >&2 && exit 1 ;;
esac
# The types of this kernel. CO-RE moves the accesses to where other kernels have the members.
[ -e vmlinux.h ] || bpftool btf dump file /sys/kernel/btf/vmlinux format c >vmlinux.h
for source in *.bpf.c; do
	clang -target bpf -mcpu=v3 -O2 -g -D__TARGET_ARCH_$arch -c "$source" -o "${source%.c}.o"
done
